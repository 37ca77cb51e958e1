#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# machine-image.sh 6.1|6.12|debug - make once the initramfs of a machine with that kernel: busybox,
# modules to mount the host's root, and machine-init. Print the kernel's release and folder, and the
# path of the initramfs.
set -eu

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../tools/guests/cache.sh"

case ${1:-} in
6.1 | 6.12) folder=$("$here/fetch-kernel.sh" "$1") ;;
debug) folder=$("$here/debug-kernel.sh") ;;
*) echo "usage: machine-image.sh 6.1|6.12|debug" >&2; exit 2 ;;
esac
read -r release folder <<<"$folder"

mapfile -t modules < <(for m in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
	modprobe -d "$folder" -S "$release" --show-depends "$m"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }')
hash=$(cat "$here/machine-image.sh" "$here/machine-init" /bin/busybox "${modules[@]}" | sha256sum | cut -c 1-16)
initrd=$cache/machine-$hash
if [ ! -e "$initrd" ]; then
	making "the machine's initramfs"
	work=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mkdir -p "$work"/root/{bin,dev,proc,sys,modules}
	cp "$here/machine-init" "$work/root/init"
	cp /bin/busybox "$work/root/bin/busybox"
	for file in "${modules[@]}"; do
		name=${file##*/} name=${name%.xz}
		case $file in
		*.xz) xz -dc "$file" >"$work/root/modules/$name" ;;
		*) cp "$file" "$work/root/modules/$name" ;;
		esac
		echo "$name"
	done >"$work/root/modules/order"
	(cd "$work/root" && find . -print0 | sort -z |
		cpio --null --create --format=newc --owner=0:0 --quiet) >"$work/initrd"
	mv -T "$work/initrd" "$initrd"
	# Remove those that were not used for a month.
	find "$cache" -maxdepth 1 -name 'machine-*' -mtime +30 -delete || true
fi
touch "$initrd"
echo "$release $folder $initrd"
