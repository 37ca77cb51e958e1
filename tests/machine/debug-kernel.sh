#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# debug-kernel.sh - build Debian's 6.1 with debug.config: KASAN, lockdep, kmemleak, KUnit.
#
# It is built once per configuration and source, in about ten minutes, into a folder of the
# cache with the layout of fetch-kernel.sh. Prints its release and that folder.
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../tools/guests/cache.sh"
package=linux-source-6.1
source=/usr/src/$package.tar.xz
config=$here/debug.config

die() { echo "debug-kernel.sh: $*" >&2; exit 1; }
say() { echo "debug-kernel.sh: $*" >&2; }

[ $# = 0 ] || { echo "usage: debug-kernel.sh" >&2; exit 2; }
[ -e $source ] || die "no $source; tools/setup.sh debug installs it"

version=$(dpkg-query -W -f '${Version}' $package)
# This option excludes x86-64, whose stack traces were once unreliable; frame pointers make them reliable.
filter='/^config FAULT_INJECTION_STACKTRACE_FILTER$/,/^$/ { /depends on !X86_64/d }'
hash=$(cat "$config" - <<<"$version $filter" | sha256sum | cut -c 1-16)
kernel=$cache/debug-$hash

present()
{
	[ -e "$kernel/version" ] || return 1
	touch "$kernel"
	echo "$(cat "$kernel/version") $kernel"
}

if present; then
	exit 0
fi
making "the debug kernel"
exec {lock}>"$cache/debug.lock"
flock -n "$lock" || { say "somebody else is building it"; flock "$lock"; }
if present; then
	exit 0
fi

# Remove what killed builds have left; no other build runs now.
rm -rf "$cache"/debug-build.*
work=$(mktemp -d "$cache/debug-build.XXXXXX")
log=$work/log
tree=$work/tree
make=
# shellcheck disable=SC2154 # set when it runs
trap 'status=$?; [ -z "$make" ] || kill "$make" || true; [ $status = 0 ] || tail -n 25 "$log" >&2; rm -rf "$work"; exit $status' EXIT
trap 'exit 1' HUP INT TERM
: >"$log"
# Remove variables of an outer make, which would disturb the kernel's build.
unset MAKEFLAGS MFLAGS MAKELEVEL ARCH CROSS_COMPILE KBUILD_OUTPUT
export KBUILD_BUILD_USER=nfv KBUILD_BUILD_HOST=debug

say "unpacking $package ($version)"
mkdir "$tree"
tar -xJf $source -C "$tree" --strip-components=1 --no-same-owner \
	--exclude='*/Documentation/[a-jl-z]*' --exclude='*/drivers/gpu/*.[ch]' >>"$log" 2>&1 || die "cannot unpack"

cd "$tree"
sed -i "$filter" lib/Kconfig.debug
make -s KCONFIG_ALLCONFIG="$config" allnoconfig >>"$log" 2>&1 || die "cannot configure"
# kconfig silently drops options that are unknown or whose dependencies are missing, so check each.
missing=$(grep -E '^(CONFIG_|# CONFIG_.* is not set)' "$config" | grep -vxFf .config) || true
[ -z "$missing" ] || die "not to be had: $missing"

say "building it, about ten minutes with two processors"
setpriv --pdeathsig TERM make -j "$(nproc)" bzImage modules >>"$log" 2>&1 {lock}>&- &
make=$!
while kill -0 $make 2>/dev/null; do
	sleep 1
	[ $((SECONDS % 30)) != 0 ] || say "$(grep -c '^  CC' "$log") of about 1400 files, $SECONDS s"
done
wait $make || { make=; grep -m 20 -A 5 -E 'error:|Error [0-9]' "$log" >&2 || true; die "cannot build"; }
make=

release=$(make -s kernelrelease)
mkdir -p "$work/kernel"
cp arch/x86/boot/bzImage "$work/kernel/vmlinuz"
make -s INSTALL_MOD_PATH="$work/kernel" modules_install >>"$log" 2>&1 || die "cannot install modules"
rm -f "$work/kernel/lib/modules/$release"/{build,source}

# Keep what building a module needs, and vmlinux for scripts/faddr2line.
find . -mindepth 1 -maxdepth 1 ! -name include ! -name scripts ! -name tools ! -name arch ! -name Makefile \
	! -name .config ! -name Module.symvers ! -name System.map ! -name vmlinux -exec rm -rf {} +
find tools -mindepth 1 -maxdepth 1 ! -name objtool -exec rm -rf {} +
find arch -mindepth 1 -maxdepth 1 ! -name x86 -exec rm -rf {} +
find arch/x86 tools -type f \( -name '*.[cSo]' -o -name '*.a' -o -name '*.cmd' -o -name 'bzImage' -o -name 'vmlinux*' \) -delete
mv "$tree" "$work/kernel/build"
cd "$work/kernel"
echo "$release" >version

mv -T "$work/kernel" "$kernel" || die "cannot create $kernel"
say "took $SECONDS s"
find "$cache" -maxdepth 1 -name 'debug-*' -mtime +30 -exec rm -rf {} + || true
present
