#!/bin/sh
# Writes the bill of materials: every crate that is built into the binary, with its version, licence and checksum, as
# CycloneDX. It reads Cargo.toml and Cargo.lock and needs no build.
#
#   sbom.sh FOLDER-of-Cargo.toml FILE
set -eu
[ $# = 2 ] || {
    echo "usage: sbom.sh FOLDER-of-Cargo.toml FILE" >&2
    exit 1
}
command -v cargo-cyclonedx >/dev/null || {
    echo "sbom.sh: cargo-cyclonedx is missing: cargo install --locked cargo-cyclonedx" >&2
    exit 1
}
out=$2
# Below the target of this machine: what is built into a binary for another one differs.
target=$(rustc -vV | sed -n 's/^host: //p')
cargo-cyclonedx cyclonedx --manifest-path "$1/Cargo.toml" --format json --spec-version 1.5 --target "$target" \
    --no-build-deps --override-filename caudal-sbom --quiet
mv "$1/caudal-sbom.json" "$out"
