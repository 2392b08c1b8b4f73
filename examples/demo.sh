#!/bin/sh
# From real images to a network trained on a file of a few kilobytes: demo.sh FREDFMT SOURCE FOLDER [OPTIONS OF DISTILL]
set -eu
fredfmt=$1 source=$2 folder=$3
shift 3
file=$folder/$source.fred
mkdir -p "$folder"

run() {
    printf '\n$ fredfmt %s\n' "$*"
    "$fredfmt" "$@"
}

run distill "$source" "$file" --force "$@"
run validate "$file"
run inspect "$file"
run preview "$file" "$folder/$source.png" --force
run evaluate "$file" --on "$source"
printf '\nThe file is %s, its picture %s\n' "$file" "$folder/$source.png"
