#!/bin/sh
# Signs each image of a table that `freehold images` printed, and attests its bill of materials.
# Usage: sign.sh TABLE FOLDER
set -eu
tail -n +2 "$1" | while read -r image architecture digest _; do
  name="${image%:*}"
  short="${name##*/}"
  cosign sign --yes "$name@$digest" < /dev/null
  cosign attest --yes --type cyclonedx --predicate "$2/$short-$architecture.cdx.json" "$name@$digest" < /dev/null
done
# The tags name an index of both architectures.
tail -n +2 "$1" | while read -r image _; do echo "$image"; done | sort -u | while read -r image; do
  cosign sign --yes --recursive "$image" < /dev/null
done
