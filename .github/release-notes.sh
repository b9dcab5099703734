#!/bin/sh
# Prints what CHANGELOG.md says of a version, for its release. Fails where that is nothing, or where Cargo.toml has another
# version: a release is made of what is written down.
#
#   release-notes.sh 0.2.0
set -eu
cd "$(dirname "$0")/.."
[ $# = 1 ] || {
    echo "usage: release-notes.sh VERSION" >&2
    exit 1
}
version=$1

built=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
if [ "$built" != "$version" ]; then
    echo "release-notes.sh: Cargo.toml has version $built, the tag says $version: make them one" >&2
    exit 1
fi

notes=$(awk -v version="$version" '
    /^## / { inside = ($2 == version || $2 == "[" version "]"); next }
    inside { print }
' CHANGELOG.md)
if [ -z "$(printf '%s' "$notes" | tr -d '[:space:]')" ]; then
    echo "release-notes.sh: CHANGELOG.md has no section ## $version: rename ## Unreleased" >&2
    exit 1
fi
printf '%s\n' "$notes"
