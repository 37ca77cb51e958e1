#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# domu-image.sh 6.1|6.12 - make once the initramfs of a domU with that kernel: busybox, iperf3,
# ethtool, xen-netfront, and domu-init as process 1. Print the paths of the kernel and the initramfs.
set -eu

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../tools/guests/cache.sh"

folder=$("$here/../machine/fetch-kernel.sh" "$1")
read -r release folder <<<"$folder"
vmlinux=$("$here/../machine/vmlinux.sh" "$folder")

programs=("$(type -P busybox)" "$(type -P iperf3)" "$(type -P ethtool)")
files_of() { modprobe -d "$folder" -S "$release" --show-depends "$1" | awk '$1 == "insmod" { print $2 }'; }
mapfile -t load < <(files_of xen-netfront)
[ ${#load[@]} = 1 ] || { echo "domu-image.sh: xen-netfront is not one module" >&2; exit 1; }
mapfile -t modules < <(printf '%s\n' "${load[@]}" && files_of pktgen)
hash=$(cat "$here/domu-image.sh" "$here/domu-init" "${programs[@]}" "${modules[@]}" | sha256sum | cut -c 1-16)
initrd=$cache/domu-$hash
if [ ! -e "$initrd" ]; then
	making "the initramfs of a domU"
	work=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mkdir -p "$work"/root/{bin,dev,modules,proc,sys,tmp}
	cp "$here/domu-init" "$work/root/init"
	chmod 755 "$work/root/init"
	for file in $(busybox --list); do
		ln -s busybox "$work/root/bin/$file"
	done
	cp --remove-destination "${programs[@]}" "$work/root/bin/"
	for file in $(ldd "${programs[@]}" 2>/dev/null | grep -o '/[^ :]*lib[^ :]*' | sort -u); do
		mkdir -p "$work/root${file%/*}"
		cp -L "$file" "$work/root$file"
	done
	for file in "${modules[@]}"; do
		name=${file##*/} name=${name%.xz}
		case $file in
		*.xz) xz -dc "$file" >"$work/root/modules/$name" ;;
		*) cp "$file" "$work/root/modules/$name" ;;
		esac
	done
	(cd "$work/root" && find . -print0 | sort -z |
		cpio --null --create --format=newc --owner=0:0 --quiet) >"$work/initrd"
	mv -T "$work/initrd" "$initrd"
	# Remove those that were not used for a month.
	find "$cache" -maxdepth 1 -name 'domu-*' -mtime +30 -delete || true
fi
touch "$initrd"
echo "$vmlinux $initrd"
