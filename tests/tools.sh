#!/bin/sh
# Gets the tools that tests run beside caudal, into .tools. Quick where they are there already.
set -eu
cd "$(dirname "$0")/.."
tools=${CAUDAL_TOOLS:-.tools}
venv=$tools/venv

# moto: a second opinion on S3, written by other people than the tests' own server.
python_tools='moto[server]==5.2.5'

# The stamp names what is installed, so that a changed pin installs again.
stamp=$venv/.installed
if [ "$(cat "$stamp" 2>/dev/null)" != "$python_tools" ]; then
    python3 -m venv "$venv"
    # shellcheck disable=SC2086 # a list of requirements
    "$venv/bin/pip" install --quiet --disable-pip-version-check $python_tools
    printf '%s' "$python_tools" >"$stamp"
fi
