#!/bin/sh
# Signs by cosign what `freehold images --push` has pushed; attests of each image what is in it and where it comes from.
# Usage: sign.sh TABLE FOLDER [OPTION...]
#   TABLE   what that command printed
#   FOLDER  what it wrote (--output)
#   OPTION  of cosign, such as `--key cosign.key`. Without a key, whoever runs this signs under an own name (OpenID).
set -eu
table=$1 folder=$2
shift 2
# Crossplane 2.4 finds no signature that is in the newer format, which cosign 3 writes by default.
set -- --yes --new-bundle-format=false --use-signing-config=false "$@"
predicate=$(mktemp)
trap 'rm -f "$predicate"' EXIT
signed=0
while read -r image architecture digest _; do
  [ "$image" != IMAGE ] || continue
  name="${image%:*}"
  cosign sign "$@" "$name@$digest" < /dev/null
  signed=$((signed + 1))
  # An index is of images that have lines of their own.
  [ "$architecture" != index ] || continue
  made="$folder/${name##*/}-$architecture"
  cosign attest "$@" --type cyclonedx --predicate "$made.cdx.json" "$name@$digest" < /dev/null
  # cosign makes a statement of its own around the predicate.
  python3 -c 'import json, sys; json.dump(json.load(open(sys.argv[1]))["predicate"], sys.stdout)' \
    "$made.provenance.json" > "$predicate"
  cosign attest "$@" --type slsaprovenance1 --predicate "$predicate" "$name@$digest" < /dev/null
done < "$table"
[ "$signed" -gt 0 ] || { echo "sign.sh: $table lists no image: nothing is signed" >&2; exit 1; }
echo "sign.sh: signed $signed images and indexes of $table" >&2
