#!/bin/sh
# Signs each image of a table that `freehold images` printed, and attests its bill of materials and provenance.
# Usage: sign.sh TABLE FOLDER
set -eu
tail -n +2 "$1" | while read -r image architecture digest _; do
  name="${image%:*}"
  short="${name##*/}"
  cosign sign --yes "$name@$digest" < /dev/null
  cosign attest --yes --type cyclonedx --predicate "$2/$short-$architecture.cdx.json" "$name@$digest" < /dev/null
  # cosign makes a statement of its own around the predicate.
  python3 -c 'import json, sys; json.dump(json.load(open(sys.argv[1]))["predicate"], sys.stdout)' \
    "$2/$short-$architecture.provenance.json" > predicate.json
  cosign attest --yes --type slsaprovenance1 --predicate predicate.json "$name@$digest" < /dev/null
done
# The tags name an index of both architectures.
tail -n +2 "$1" | while read -r image _; do echo "$image"; done | sort -u | while read -r image; do
  cosign sign --yes --recursive "$image" < /dev/null
done
