#!/bin/sh
# Checks everything in deploy with the tools of its own trade: each part's tools.sh installs what its run needs.
#
#   sh deploy/check/all.sh [PART ...]
#
# What caudal itself is needed for is asked of $CAUDAL, else of what cargo has built.
set -eu
cd "$(dirname "$0")/../.."
parts=${*:-$(cd deploy/check && for part in */run; do dirname "$part"; done)}
failed=
for part in $parts; do
    echo "== $part"
    sh "deploy/check/$part/tools.sh"
    "deploy/check/$part/run" || failed="$failed $part"
done
if [ -n "$failed" ]; then
    echo "deploy: these parts have failed:$failed" >&2
    exit 1
fi
echo "deploy: all parts are as they should be"
