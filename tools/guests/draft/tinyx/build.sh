#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# build.sh kvm|xen - a Linux with only the drivers and programs that its job needs there.
#
# A kernel of Debian's linux-source (tinyconfig, kernel.config and the platform's), busybox and
# iperf3. Prints the folder that holds `vmlinuz` and `initrd`; built once per
# content, the kernel in a few minutes. Refuses to be larger than its budget.
set -eu -o pipefail

budget_bytes=8000000
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../cache.sh"
package=linux-source-6.1
source=/usr/src/$package.tar.xz
configs=("$here/kernel.config" "$here/$1.config")

die() { echo "tinyx: $*" >&2; exit 1; }

for file in $source /bin/busybox /usr/bin/iperf3; do
	[ -e "$file" ] || die "no $file; tools/setup.sh draft installs it"
done

# --- the kernel, on its own: what runs on it changes more often ------------------

version=$(dpkg-query -W -f '${Version}' $package)
hash=$(cat "${configs[@]}" - <<<"$version" | sha256sum | cut -c 1-16)
kernel=$cache/tinyx-kernel-$hash

# Alone, in a folder $work; those of builds that were killed go.
begin_work()
{
	[ -z "${work:-}" ] || return 0
	making tinyx
	exec {lock}>"$cache/tinyx.lock"
	flock "$lock"
	rm -rf "$cache"/tinyx-work.*
	work=$(mktemp -d "$cache/tinyx-work.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
}

build_kernel()
{
	local tree=$work/tree missing

	mkdir "$tree"
	tar -xJf $source -C "$tree" --strip-components=1 --no-same-owner --exclude='*/drivers/gpu/*.[ch]' \
		--exclude='*/Documentation/[a-jl-z]*' --exclude='*/sound/*.[ch]'
	cd "$tree"
	make -s tinyconfig
	cat "${configs[@]}" >>.config
	make -s olddefconfig
	missing=$(grep -hE '^(CONFIG_|# CONFIG_.* is not set)' "${configs[@]}" | grep -vxFf .config) || true
	[ -z "$missing" ] || { echo "not to be had: $missing"; return 1; }
	setpriv --pdeathsig TERM make -s -j 2 bzImage {lock}>&-
	cp arch/x86/boot/bzImage "$kernel.new"
	mv "$kernel.new" "$kernel"
}

[ -s "$kernel" ] || begin_work
# Somebody else may have been faster.
if [ ! -s "$kernel" ]; then
	free_mib=$(($(df --output=avail "$cache" | tail -n 1) / 1024))
	[ $free_mib -gt 2000 ] || die "$free_mib MiB are free in $cache; its kernel takes 2000 to build"
	unset MAKEFLAGS MFLAGS MAKELEVEL ARCH CROSS_COMPILE KBUILD_OUTPUT
	export KBUILD_BUILD_USER=nfv KBUILD_BUILD_HOST=tinyx
	echo "tinyx: building its kernel, some minutes" >&2
	# In the background, for the first error to end it; in a list with || none would.
	build_kernel >"$work/log" 2>&1 &
	wait $! || die "its kernel does not build: $(tail -n 1 "$work/log")"
fi

# --- its programs ------------------------------------------------------------------

mapfile -t libs < <(ldd /usr/bin/iperf3 | sed -n 's,.*\(\s\|^\)\(/[^ ]*\) (0x.*,\2,p')
hash=$(cat "$here/build.sh" "$here/init" "$kernel" /bin/busybox /usr/bin/iperf3 "${libs[@]}" | sha256sum | cut -c 1-16)
image=$cache/tinyx-$hash
[ -e "$image/initrd" ] || begin_work
if [ ! -e "$image/initrd" ]; then
	root=$work/root
	mkdir -p "$root"/{bin,dev,proc,tmp,usr/bin} "$work/image"
	cp "$here/init" "$root/init"
	cp /bin/busybox "$root/bin/"
	for applet in sh mount cat ip sleep; do
		ln -s busybox "$root/bin/$applet"
	done
	cp /usr/bin/iperf3 "$root/bin/"
	for file in "${libs[@]}"; do
		mkdir -p "$root$(dirname "$file")"
		cp -L "$file" "$root$file"
	done
	# The kernel opens it for process 1 before anything is mounted.
	mknod "$root/dev/console" c 5 1
	(cd "$root" && find . -print0 | sort -z | cpio --null --create --format=newc --owner=0:0 --quiet) |
		gzip -9n >"$work/image/initrd"
	cp "$kernel" "$work/image/vmlinuz"
	size=$(cat "$work"/image/* | wc -c)
	[ "$size" -le $budget_bytes ] || die "$size bytes are more than its budget of $budget_bytes"
	mv -T "$work/image" "$image"
fi
touch "$image" "$kernel"
find "$cache" -maxdepth 1 -name 'tinyx-*' -mtime +30 -exec rm -rf {} + || true
echo "$image"
