#!/bin/sh
# Runs fuzz targets, all or those named, FUZZ_SECONDS each and FUZZ_JOBS at once; fails where any finds something.
# What a run learns stays in fuzz/target/corpus. fuzz/corpus holds the seeds, which a run only reads.
set -eu
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
seconds=${FUZZ_SECONDS:-60}
tools=$PWD/.tools/cargo
version=0.13.1

if [ "$("$tools/bin/cargo-fuzz" --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
    "$cargo" install --locked --version "$version" --root "$tools" cargo-fuzz
fi
export PATH="$tools/bin:$PATH"

# A nightly compiler has the address sanitizer. A stable one can tell the fuzzer what is covered, if it is let.
if rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
    toolchain=+nightly sanitizer=address
else
    toolchain='' sanitizer=none
    export RUSTC_BOOTSTRAP=1
fi

# The versions that ship are those that are fuzzed; cargo adds the fuzzer's own to the copy.
cp Cargo.lock fuzz/Cargo.lock
# shellcheck disable=SC2086 # no toolchain is no argument
"$cargo" $toolchain fuzz build --sanitizer "$sanitizer"

# One target; its log is shown where it fails, else what it did.
export cargo toolchain sanitizer seconds
# shellcheck disable=SC2016 # expanded by the shell that xargs starts
one='
    name=$1 log=fuzz/target/$1.log learnt=fuzz/target/corpus/$1
    mkdir -p "$learnt"
    if "$cargo" $toolchain fuzz run --sanitizer "$sanitizer" "$name" "$learnt" "fuzz/corpus/$name" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 >"$log" 2>&1; then
        echo "$name: $(grep -o "Done [0-9]* runs.*" "$log")"
    else
        cat "$log"
        echo "$name: FAILED, see above and $log"
        exit 1
    fi'
if [ $# = 0 ]; then
    cd fuzz/corpus
    set -- *
    cd ../..
fi
printf '%s\n' "$@" | xargs -P "${FUZZ_JOBS:-1}" -I '{}' sh -c "$one" sh '{}'
