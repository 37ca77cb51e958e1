#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# build-image.sh [NFVCTL] - the small Linux guest for QEMU, from Debian packages.
#
# Prints the folder that holds it: `vmlinuz` (of linux-image-cloud-amd64) and
# `initrd` (busybox, iperf3, ethtool, the virtio-net modules, nfvctl if a path
# was given). The folder's name is a hash of its inputs, so it is built once and
# never changed; concurrent builds do not disturb each other.
set -eu

cd "$(dirname "$0")"
nfvctl=${1:-}
. ./cache.sh

die() { echo "build-image.sh: $*" >&2; exit 1; }

kernel=
for file in /boot/vmlinuz-*-cloud-amd64; do
	[ -e "$file" ] && kernel=$file
done
[ -n "$kernel" ] || die "no /boot/vmlinuz-*-cloud-amd64; tools/setup.sh demo installs one"
release=${kernel#/boot/vmlinuz-}

programs=(/bin/busybox "$(command -v iperf3)" "$(command -v ethtool)") || die "iperf3 or ethtool is missing"
[ -z "$nfvctl" ] || [ -x "$nfvctl" ] || die "$nfvctl is not a program"

# libs_of PROGRAM - print its shared libraries and its dynamic linker.
libs_of()
{
	ldd "$1" 2>/dev/null | sed -n 's,.*\(\s\|^\)\(/[^ ]*\) (0x.*,\2,p' || true
}

mapfile -t libs < <(for p in "${programs[@]}" ${nfvctl:+"$nfvctl"}; do libs_of "$p"; done | sort -u)
mapfile -t modules < <(for m in virtio_pci virtio_net; do
	modprobe -S "$release" --show-depends "$m"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }')

hash=$(cat build-image.sh init "$kernel" "${programs[@]}" "${libs[@]}" "${modules[@]}" ${nfvctl:+"$nfvctl"} | sha256sum | cut -c 1-16)
image=$cache/guest-$hash
if [ -e "$image/initrd" ]; then
	touch "$image"
	echo "$image"
	exit 0
fi

making "the guest image"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,sbin,dev,proc,sys,modules,usr/bin,usr/sbin,usr/local/bin,lib,lib64}

cp init "$root/init"
cp /bin/busybox "$root/bin/busybox"
for applet in $(/bin/busybox --list); do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
for file in "${programs[@]:1}"; do
	cp -L "$file" "$root/usr/bin/"
done
[ -z "$nfvctl" ] || cp -L "$nfvctl" "$root/usr/bin/nfvctl"
for file in "${libs[@]}"; do
	mkdir -p "$root$(dirname "$file")"
	cp -L "$file" "$root$file"
done
for file in "${modules[@]}"; do
	cp "$file" "$root/modules/"
	echo "/modules/${file##*/}" >>"$root/modules/order"
done

mkdir "$work/image"
(cd "$root" && find . -print0 | sort -z | cpio --null --create --format=newc --owner=0:0 --quiet) >"$work/image/initrd"
cp "$kernel" "$work/image/vmlinuz"

# Another build may have finished first; its image is the same.
mv -T "$work/image" "$image" 2>/dev/null || [ -e "$image/initrd" ] || die "cannot create $image"

# Remove images that were not used for a month.
find "$cache" -maxdepth 1 -name 'guest-*' -mtime +30 -exec rm -rf {} + || true
echo "$image"
