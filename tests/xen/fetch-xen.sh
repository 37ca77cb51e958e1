#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# fetch-xen.sh [-u] - fetch Debian's Xen and its tools, without installing them.
#
# Unpacks them into a folder of the cache and prints that folder:
#	xen			the hypervisor, as QEMU boots it
#	usr/lib/xen-4.17/bin	xl, xenstored ...; usr/bin: xenstore-*; usr/lib/x86_64-linux-gnu
# Asks the archive only if the cache has none, or with -u, for a newer one.
set -eu

series=4.17
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/guests/cache.sh"

die() { echo "fetch-xen.sh: $*" >&2; exit 1; }

update=
if [ "${1:-}" = -u ]; then
	update=1
	shift
fi
[ $# = 0 ] || { echo "usage: fetch-xen.sh [-u]" >&2; exit 2; }

present()
{
	local newest

	newest=$(find "$cache" -mindepth 2 -maxdepth 2 -path "$cache/xen-$series*/version" -printf '%h\n' 2>/dev/null |
		sort -V | tail -n 1)
	[ -n "$newest" ] || return 1
	touch "$newest"
	echo "$newest"
}

if [ -z "$update" ] && present; then
	exit 0
fi

making "Debian's Xen"
exec {lock}>"$cache/lock-xen"
flock "$lock"
# Another process may have fetched it meanwhile.
if [ -z "$update" ] && present; then
	exit 0
fi

work=$(mktemp -d "$cache/build.XXXXXX")
log=$work/log
# shellcheck disable=SC2154 # set when it runs
trap 'status=$?; [ $status = 0 ] || tail -n 25 "$log" >&2; rm -rf "$work"; exit $status' EXIT
trap 'exit 1' INT TERM
: >"$log"

[ -z "$update" ] || rm -f "$cache/apt/updated"
apt_open

version=$(apt-cache "${apt_options[@]}" show --no-all-versions xen-hypervisor-$series-amd64 2>>"$log" |
	awk '/^Version: / { print $2 }')
[ -n "$version" ] || die "no xen-hypervisor-$series-amd64"
xen=$cache/xen-$version
if [ "$(cat "$xen/version" 2>/dev/null)" = "$version" ]; then
	present
	exit 0
fi

packages=()
for package in xen-hypervisor-$series-amd64 xen-utils-$series xen-utils-common xenstore-utils libxenmisc$series \
	libxen{call1,devicemodel1,evtchn1,foreignmemory1,gnttab1,hypfs1,store4,toolcore1,toollog1}; do
	packages+=("$package=$version")
done
packages+=(libyajl2)
echo "fetch-xen.sh: getting Debian's Xen $version" >&2
mkdir "$work/xen"
debs_unpack "$work/xen" "${packages[@]}"

cd "$work/xen"
gzip -dc boot/xen-$series-amd64.gz >xen || die "no hypervisor"
rm -rf boot usr/share
for program in usr/lib/xen-$series/bin/{xl,xenstored,xenconsoled,xen-init-dom0} usr/bin/xenstore-write; do
	LD_LIBRARY_PATH=usr/lib/x86_64-linux-gnu ldd "$program" >>"$log" || die "no $program"
done
! grep 'not found' "$log" >&2 || die "a library is missing"
echo "$version" >version

# Remove an incomplete copy of this version, and versions that were not used for a month.
if [ -e "$xen" ]; then
	mv -T "$xen" "$work/old"
fi
mv -T "$work/xen" "$xen" || die "cannot create $xen"
find "$cache" -maxdepth 1 -name "xen-$series*" -mtime +30 -exec rm -rf {} + || true
present
