#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# build.sh 6.1|6.12 - evilfront.ko for that kernel, outside the tree. Prints its path.
set -eu
cd "$(dirname "$0")/../../.."
read -r release folder < <(tests/machine/fetch-kernel.sh "$1")
dir=$(realpath -m "${NFV_BUILD:-build}")/evilfront/$release
rm -rf "$dir"
mkdir -p "$dir"
cp tests/xen/evilfront/{Kbuild,*.[ch]} "$dir/"
make -s -C "$folder/build" M="$dir" W=1 KCFLAGS=-Werror >"$dir/log" 2>&1 </dev/null || { cat "$dir/log" >&2; exit 1; }
echo "$dir/evilfront.ko"
