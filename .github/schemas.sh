#!/bin/sh
# Downloads what schemas.txt lists into a folder. Usage: schemas.sh FOLDER
set -eu
grep -v '^#' "$(dirname "$0")/schemas.txt" | while read -r file repository commit path; do
  mkdir -p "$1/$(dirname "$file")"
  curl --fail --silent --show-error --location --retry 3 --output "$1/$file" \
    "https://raw.githubusercontent.com/$repository/$commit/$path"
done
