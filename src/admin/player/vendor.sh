#!/bin/sh
# Makes vendor/ again: the two player libraries the page uses, at the versions
# pinned below, copied byte for byte from the npm registry.
#
#   sh src/admin/player/vendor.sh
#
# Needs: npm (only to download), tar, sha256sum. Nothing here runs when caudal
# is built; the files in vendor/ are committed. To move to a newer version,
# change a pin, run this, and put the sums it prints into the two *_SHA256 lines
# and into vendor/README.md. A file whose sum differs from its pin stops the
# script before vendor/ is touched.
set -eu

HLS_VERSION=1.7.4
HLS_SHA256=cfc70cc9e9fc63d071919e087670abc760c8fd1bc889b88588026e4d22193bbe
DASH_VERSION=5.2.1
DASH_SHA256=3a22b1f4576ab294f41e56f156cec7972a5f83edda379416778293ff22d2eb49

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

for tool in npm tar sha256sum; do
    command -v "$tool" >/dev/null 2>&1 || {
        echo "vendor.sh: $tool is needed and was not found" >&2
        exit 1
    }
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM

# npm checks each archive against the registry's own integrity sum.
unpack() {
    mkdir "$tmp/$1"
    (cd "$tmp/$1" && npm pack --silent "$1@$2" >/dev/null && tar -xzf ./*.tgz)
}

check() {
    got=$(sha256sum "$1" | cut -d' ' -f1)
    echo "$got  $3"
    if [ "$got" != "$2" ]; then
        echo "vendor.sh: $3 has another sum than the pinned $2" >&2
        return 1
    fi
}

unpack hls.js "$HLS_VERSION"
unpack dashjs "$DASH_VERSION"

hls="$tmp/hls.js/package"
dash="$tmp/dashjs/package"

bad=0
check "$hls/dist/hls.min.js" "$HLS_SHA256" hls.min.js || bad=1
check "$dash/dist/modern/umd/dash.all.min.js" "$DASH_SHA256" dash.all.min.js || bad=1
[ "$bad" -eq 0 ] || exit 1

mkdir -p "$here/vendor"
cp "$hls/dist/hls.min.js" "$here/vendor/hls.min.js"
cp "$hls/LICENSE" "$here/vendor/hls.LICENSE.txt"
cp "$dash/dist/modern/umd/dash.all.min.js" "$here/vendor/dash.all.min.js"
cp "$dash/LICENSE.md" "$here/vendor/dash.LICENSE.txt"
cp "$dash/dist/modern/umd/dash.all.min.js.LICENSE.txt" "$here/vendor/dash.all.min.js.LICENSE.txt"
chmod 644 "$here"/vendor/*.js "$here"/vendor/*.txt
