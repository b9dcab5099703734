#!/bin/sh
# Gets what the checks of monitoring run: Debian's Prometheus and its friends, and the rest into .tools. Quick where they
# are there already.
set -eu
cd "$(dirname "$0")/../../.."
tools=${TEST_TOOLS:-.tools}/deploy/monitoring
here=deploy/check/monitoring

fail() {
    echo "tools.sh: $*" >&2
    exit 1
}

# The names on the right are Debian's packages.
missing=
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need prometheus prometheus
need promtool prometheus
need prometheus-alertmanager prometheus-alertmanager
need amtool prometheus-alertmanager
need prometheus-node-exporter prometheus-node-exporter
need openssl openssl
need node nodejs
need npm npm
need chromium chromium
need python3 python3
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    if ! [ "$(id -u)" = 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        fail "these Debian packages are missing, install them or their like:$missing"
    fi
    apt-get update
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
fi

# moto is the storage: an S3 written by other people.
python_tools='moto[server]==5.2.5 PyYAML==6.0.3'

# The stamps name what is installed, so that a changed pin installs again.
mkdir -p "$tools"
stamp=$tools/venv/.installed
if [ "$(cat "$stamp" 2>/dev/null)" != "$python_tools" ]; then
    python3 -m venv "$tools/venv"
    # shellcheck disable=SC2086 # a list of requirements
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check $python_tools
    printf '%s' "$python_tools" >"$stamp"
fi

# Grafana's own types, which judge the dashboards, and what draws them.
if ! cmp -s "$here/package-lock.json" "$tools/node/node_modules/.installed"; then
    mkdir -p "$tools/node"
    cp "$here/package.json" "$here/package-lock.json" "$tools/node/"
    npm ci --prefix "$tools/node" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp "$here/package-lock.json" "$tools/node/node_modules/.installed"
fi
