#!/bin/sh
# Lays out everything that the image holds: the binary, the four libraries that it is linked to, the certificates that are
# trusted, a user, and what scanners need to know all that by name. No shell, no package manager.
#
#   rootfs.sh BINARY SBOM ROOT
#
# The Dockerfile calls it, and so does deploy/check/container, so that what is proven is what ships. It takes libraries
# from the system it runs on, which has to be the Debian that the binary was built on.
set -eu

fail() {
    echo "rootfs.sh: $*" >&2
    exit 1
}

[ $# = 3 ] || fail "usage: rootfs.sh BINARY SBOM ROOT"
binary=$1 sbom=$2 root=$3
[ -x "$binary" ] || fail "$binary is no program: build it with cargo build --release"
[ -s "$sbom" ] || fail "$sbom is empty or not there: make it with deploy/container/sbom.sh"
[ -n "$(command -v dpkg-query)" ] || fail "dpkg-query is missing: this runs on Debian"
[ ! -e "$root" ] || fail "$root is there already: name a new folder"
licence=$(dirname "$0")/../../LICENSE

mkdir -p "$root"
chmod 755 "$root"
install -d -m 755 "$root/usr/bin"
# Three quarters of the binary are tables of lines. Symbols stay, so that a backtrace has names; the tables are the
# Dockerfile's target debug.
strip --strip-debug -o "$root/usr/bin/caudal" "$binary"
chmod 755 "$root/usr/bin/caudal"

# Libraries go where the loader looks for them, under the name it looks for.
libraries=$(ldd "$binary" | sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p')
[ -n "$libraries" ] || fail "ldd names no library of $binary"
packages=ca-certificates
for library in $libraries; do
    install -D -m 755 "$library" "$root$library"
    # On a merged /usr the package may know its file by either name.
    package=$(dpkg-query -S "$library" 2>/dev/null || dpkg-query -S "/usr$library") || fail "no package has $library"
    package=${package%%:*}
    case " $packages " in
    *" $package "*) ;;
    *) packages="$packages $package" ;;
    esac
done

certificates=/etc/ssl/certs/ca-certificates.crt
[ -s "$certificates" ] || fail "$certificates is missing: apt-get install ca-certificates"
install -D -m 644 "$certificates" "$root$certificates"

# 65532 is what distroless images call nonroot. A number, so that Kubernetes can see that it is not root.
echo 'caudal:x:65532:65532::/:/sbin/nologin' >"$root/etc/passwd"
echo 'caudal:x:65532:' >"$root/etc/group"
# What glibc would do without it is the same today; names are looked up here and nowhere else.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
# Where the configuration is mounted, and the only place that may be written to, if something is mounted there.
install -d -m 755 "$root/etc/caudal"
install -d -m 1777 "$root/tmp"

# What is in here, for scanners: they know Debian's packages by these files (as in distroless images), crates by the SBOM.
install -m 644 /etc/os-release "$root/etc/os-release"
install -d -m 755 "$root/var/lib/dpkg/status.d"
for package in $packages; do
    dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"
    install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
done
install -D -m 644 "$licence" "$root/usr/share/doc/caudal/LICENSE"
install -D -m 644 "$sbom" "$root/usr/share/sbom/caudal.cdx.json"
