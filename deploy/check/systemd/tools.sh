#!/bin/sh
# systemd-analyze judges the units.
set -eu
command -v systemd-analyze >/dev/null 2>&1 && exit 0
if ! [ "$(id -u)" = 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "tools.sh: systemd-analyze is missing: install the Debian package systemd" >&2
    exit 1
fi
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends systemd
