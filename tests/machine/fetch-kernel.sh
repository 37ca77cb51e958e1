#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# fetch-kernel.sh [-u] 6.1|6.12 - fetch a Debian kernel and its headers, without installing them.
#
# Unpacks them into a folder of the cache and prints its release and that folder:
#	vmlinuz  lib/modules/RELEASE/	to boot (machine)
#	build				make -C FOLDER/build M=DIR
# Asks the archive only if the cache has none, or with -u, for a newer one.
set -eu

. "$(dirname "${BASH_SOURCE[0]}")/../../tools/guests/cache.sh"

die() { echo "fetch-kernel.sh: $*" >&2; exit 1; }
usage() { echo "usage: fetch-kernel.sh [-u] 6.1|6.12" >&2; exit 2; }

update=
if [ "${1:-}" = -u ]; then
	update=1
	shift
fi
case ${1:-} in
6.1 | 6.12) ;;
*) usage ;;
esac
[ $# = 1 ] || usage
series=$1

present()
{
	local newest

	newest=$(find "$cache" -mindepth 2 -maxdepth 2 -path "$cache/kernel-$series[.+-]*/version" -printf '%h\n' 2>/dev/null |
		sort -V | tail -n 1)
	[ -n "$newest" ] || return 1
	touch "$newest"
	echo "${newest#"$cache/kernel-"} $newest"
}

if [ -z "$update" ] && present; then
	exit 0
fi

making "Debian's kernel $series"
exec {lock}>"$cache/lock-kernel-$series"
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

# depends PACKAGE REGEX - print version and name of the dependency of the newest package of the series.
depends()
{
	apt-cache "${apt_options[@]}" show --all-versions "$1" 2>>"$log" |
		awk -v series="$series." -v name="$2" '
			/^Version: / { version = $2 }
			/^Depends: / && index(version, series) == 1 && !done++ {
				gsub(/[,|]|\([^)]*\)/, " ")
				for (i = 2; i <= NF; i++)
					if ($i ~ name) print version, $i
			}'
}

versions() { apt-cache "${apt_options[@]}" show --all-versions "$1" 2>>"$log" | sed -n 's/^Version: //p'; }

read -r version image < <(depends linux-image-amd64 '^linux-image-') || die "no linux-image-amd64 $series"
release=${image#linux-image-}
kernel=$cache/kernel-$release
if [ "$(cat "$kernel/version" 2>/dev/null)" = "$version" ]; then
	present
	exit 0
fi

# Unpacked, not installed: the headers of newer kernels depend on the kernel.
packages=("$image=$version" "linux-headers-$release=$version")
while read -r _ package; do
	# The archive has one linux-kbuild per series; it may be of a newer kernel, whose images are not there yet.
	if [[ $package = linux-kbuild-* ]] && ! versions "$package" | grep -qxF "$version"; then
		packages+=("$package")
	else
		packages+=("$package=$version")
	fi
done < <(depends "linux-headers-$release" '^linux-(headers-.*-common|kbuild-.*)$')
[ ${#packages[@]} = 4 ] || die "linux-headers-$release $version does not name its parts: ${packages[*]}"
echo "fetch-kernel.sh: getting Debian's $release ($version)" >&2
mkdir "$work/kernel"
debs_unpack "$work/kernel" "${packages[@]}"

cd "$work/kernel"
mv "boot/vmlinuz-$release" vmlinuz
rm -rf boot usr/share
# The package may have merged /usr already.
if [ ! -d lib/modules ] && [ -d usr/lib/modules ]; then
	mkdir -p lib
	mv usr/lib/modules lib/
fi
depmod -b . "$release" >>"$log" 2>&1 || die "depmod failed"
# The only absolute path in the headers.
sed -i "s,^include /usr/src,include $kernel/usr/src," "usr/src/linux-headers-$release/Makefile"
ln -s "usr/src/linux-headers-$release" build
ln -sfn "$kernel/build" "lib/modules/$release/build"
ln -sfn "$kernel/usr/src/$(basename usr/src/linux-headers-*-common)" "lib/modules/$release/source"
echo "$version" >version

# Remove older versions of this release, and releases that were not used for a month.
if [ -e "$kernel" ]; then
	mv -T "$kernel" "$work/old"
fi
mv -T "$work/kernel" "$kernel" || die "cannot create $kernel"
find "$cache" -maxdepth 1 -name 'kernel-*' -mtime +30 -exec rm -rf {} + || true
present
