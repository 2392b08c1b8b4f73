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

# Settings were chosen on a held-out fifth of each train split (docs/decisions/distillation.md). Digits must not be mirrored.
case $source in
digits) settings='--ipc 6 --k 48 --step 1.7 --lr 0.03 --quantize-in-loop --rate 0.3 --iterations 400 --augmentation color_crop' ;;
*) settings='--objective dm --ipc 1 --k 49' ;;
esac

# shellcheck disable=SC2086
run distill "$source" "$file" $settings --force
run validate "$file"
run inspect "$file"
run preview "$file" "$folder/$source.png" --force
run evaluate "$file" --on "$source"
printf '\nThe file is %s, its picture %s\n' "$file" "$folder/$source.png"
