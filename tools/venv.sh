#!/bin/sh
# Make .venv from requirements/dev.txt, and in it the command `freehold` of this clone. Nothing
# happens when the lock and the Python are those it was made from. Run by `make venv`.
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
say() { echo "venv: $*" >&2; }

at_least_311() {
  command -v "$1" >/dev/null 2>&1 &&
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Debian leaves ensurepip out of python3; venv then makes no pip.
ensure_venv_module() {
  "$python" -c 'import ensurepip, venv' 2>/dev/null && return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    say "$python has no venv module. On Debian or Ubuntu: apt-get install python3-venv"
    exit 1
  fi
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  say "$python has no venv module: installing python3-venv with apt-get"
  { apt-get update && { apt-get install -y "python$version-venv" || apt-get install -y python3-venv; }; } >&2
  "$python" -c 'import ensurepip, venv' || { say "still no venv module for $python $version"; exit 1; }
}

if ! at_least_311 "$python"; then
  found=
  for candidate in python3.13 python3.12 python3.11; do
    if at_least_311 "$candidate"; then found=$candidate; break; fi
  done
  [ -n "$found" ] || { say "needs Python 3.11 or newer: make venv PYTHON=/path/to/python3"; exit 1; }
  say "$python is missing or older than 3.11: using $found"
  python=$found
fi

stamp=.venv/.made-from
want=$({ cat requirements/dev.txt; "$python" -c 'import sys; print(sys.version, sys.base_prefix)'; } | cksum)

# The clone's own code: an installed copy would be out of date after the next change.
write_command() {
  [ -x .venv/bin/freehold ] && return 0
  cat >.venv/bin/freehold <<'END'
#!/bin/sh
clone=$(cd "$(dirname "$0")/../.." && pwd) && PYTHONPATH=$clone exec "$clone/.venv/bin/python" -P -m tools "$@"
END
  chmod +x .venv/bin/freehold
}

if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
  write_command
  exit 0
fi

ensure_venv_module
say "making .venv (under a minute)"
rm -rf .venv
"$python" -m venv .venv
.venv/bin/python -m pip --disable-pip-version-check install --quiet \
  --require-hashes --only-binary :all: -r requirements/dev.txt
write_command
echo "$want" >"$stamp"
say "done"
