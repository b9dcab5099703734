#!/bin/sh
# Puts an empty source behind Cargo.toml, so that every dependency can be built before the source is there: a layer of the
# image that changes only when Cargo.toml or Cargo.lock do.
#
#   skeleton.sh [FOLDER of Cargo.toml]
set -eu
cd "${1:-.}"

mkdir -p src benches
# With what the lints of Cargo.toml ask of a crate: a word on what it is.
echo '//! Nothing yet.' >src/lib.rs
printf '//! Nothing yet.\nfn main() {}\n' >src/main.rs
# Cargo refuses a manifest that names a bench which is not there.
sed -n '/^\[\[bench\]\]/,/^$/s/^name = "\(.*\)"/\1/p' Cargo.toml | while read -r bench; do
    echo 'fn main() {}' >"benches/$bench.rs"
done
