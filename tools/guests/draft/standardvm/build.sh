#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# build.sh - Debian as it comes, with systemd and the cloud kernel, which runs in KVM and Xen guests.
#
# mmdebstrap's root file system, as a disk a tenth larger than its content. Prints the
# folder that holds `vmlinuz`, `initrd.img` and `disk`; built once.
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../cache.sh"

die() { echo "standardvm: $*" >&2; exit 1; }

image=$cache/standardvm-$(cat "$here/build.sh" "$here/overlay" | sha256sum | cut -c 1-16)
exec {lock}>"$cache/standardvm.lock"
flock "$lock"
if [ ! -e "$image" ]; then
	command -v mmdebstrap >/dev/null || die "no mmdebstrap; tools/setup.sh draft installs it"
	kib=$(df --output=avail "$cache" | tail -n 1)
	[ "$kib" -gt 3000000 ] || die "$((kib / 1024)) MiB are free in $cache; its disk takes 3000 to build"
	making "standardvm"
	apt_open
	echo "standardvm: installing Debian, some minutes" >&2
	rm -rf "$cache"/standardvm-build.*
	work=$(mktemp -d "$cache/standardvm-build.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	mkdir "$work/image"
	# shellcheck disable=SC2016 # $1 is mmdebstrap's, the root
	mmdebstrap --quiet --variant=minbase --include=systemd-sysv,udev,linux-image-cloud-amd64,iproute2,iperf3 \
		--customize-hook="copy-in '$here/overlay' /etc/initramfs-tools/scripts/local-bottom" \
		--customize-hook='echo overlay >>"$1/etc/initramfs-tools/modules"; chroot "$1" update-initramfs -u' \
		--customize-hook='chroot "$1" systemctl enable systemd-networkd systemd-network-generator iperf3' \
		--customize-hook='rm -rf "$1"/var/cache/apt/*.bin "$1"/var/lib/apt/lists/*' \
		bookworm "$work/root" - < <(debian_sources) >"$work/log" 2>&1 {lock}>&- ||
		die "mmdebstrap: $(grep -m 1 '^E:' "$work/log")"
	cp -L "$work/root/vmlinuz" "$work/root/initrd.img" "$work/image/"
	kib=$(du -sk "$work/root" | cut -f 1)
	mke2fs -q -t ext4 -d "$work/root" "$work/image/disk" "$((kib * 11 / 10 + 32768))k" >"$work/log" 2>&1 ||
		die "mke2fs: $(tail -n 1 "$work/log")"
	mv -T "$work/image" "$image"
fi
touch "$image"
find "$cache" -maxdepth 1 -name 'standardvm-*' -mtime +30 -exec rm -rf {} + || true
echo "$image"
