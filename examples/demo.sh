#!/bin/sh
# From real images to networks trained on a file of a few kilobytes: demo.sh FREDFMT SOURCE FOLDER
set -eu
fredfmt=$1 source=$2 folder=$3
file=$folder/$source.fred
mkdir -p "$folder"

run() {
    printf '\n$ fredfmt %s\n' "$*"
    "$fredfmt" "$@"
}

# All other settings are chosen automatically (docs/decisions/choosing.md). Digits on one thread, as those of docs/records.md: additions in
# another order change accuracies as much as another seed.
case $source in
digits)
    bytes=2000
    export OMP_NUM_THREADS=1
    ;;
*) bytes=31360 ;;
esac

run distill "$source" "$file" --bytes "$bytes" --force
run validate "$file"
run inspect "$file"
run preview "$file" "$folder/$source.png" --force
run evaluate "$file" --on "$source" --baselines own-start,coded,coded-soft
printf '\nThe file is %s, its picture %s\n' "$file" "$folder/$source.png"
