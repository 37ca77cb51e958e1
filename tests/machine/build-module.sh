#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# build-module.sh 6.1|6.12|debug [ABI-VERSION] - build nfv.ko for that kernel, outside the tree, with all
# warnings as errors, sparse's too; with ABI-VERSION as the version of its interface, without sparse. Print its path. What was
# built from the same files is not built again.
set -eu
cd "$(dirname "$0")/../.."
case $1 in
debug) read -r release folder < <(tests/machine/debug-kernel.sh) ;;
*) read -r release folder < <(tests/machine/fetch-kernel.sh "$1") ;;
esac
dir=$(realpath -m "${NFV_BUILD:-build}")/kernel/$release${2:+-abi$2}
sources=$(find Kbuild kmod include tests/machine/build-module.sh -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
if [ "$(cat "$dir/sources" 2>/dev/null)" = "$sources" ]; then
	echo "$dir/kmod/nfv.ko"
	exit
fi
rm -rf "$dir"
mkdir -p "$dir"
cp -r Kbuild kmod include "$dir/"
[ -z "${2:-}" ] || sed -i "s/^\(#define NFV_ABI_VERSION\t*\).*/\1$2/" "$dir/include/uapi/linux/nfv.h"
check=
[ -n "${2:-}" ] || ! command -v sparse >/dev/null || check=C=2
make -s -C "$folder/build" M="$dir" W=1 $check KCFLAGS=-Werror >"$dir/log" 2>&1 </dev/null || { cat "$dir/log" >&2; exit 1; }
if grep -i warning "$dir/log" >&2; then
	exit 1
fi
echo "$sources" >"$dir/sources"
echo "$dir/kmod/nfv.ko"
