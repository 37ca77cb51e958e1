#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# fetch-lwip.sh - lwIP's sources, as Debian has them; prints their folder.
#
# Unpacked into the cache, once. Only the tarball of the hash below will do.
set -eu

version=2.1.3
file=lwip_$version+dfsg1.orig.tar.xz
sha256=0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24
. "$(dirname "${BASH_SOURCE[0]}")/../cache.sh"
sources=$cache/lwip-${sha256:0:16}

die() { echo "fetch-lwip.sh: $*" >&2; exit 1; }

if [ -e "$sources/src/Filelists.mk" ]; then
	touch "$sources"
	echo "$sources"
	exit 0
fi

making "lwIP $version"
apt_open
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

# From where this machine gets its other packages.
archive=$(apt_targets "\$(REPO_URI)" Debian bookworm | head -n 1)
/usr/lib/apt/apt-helper "${apt_options[@]}" -o Acquire::Retries=3 download-file "${archive%/}/pool/main/l/lwip/$file" \
	"$work/$file" "SHA256:$sha256" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "cannot get $file"; }
tar -xf "$work/$file" -C "$work"

# Somebody else may have been faster; theirs is the same.
mv -T "$work/lwip-$version" "$sources" 2>/dev/null || [ -e "$sources/src/Filelists.mk" ] || die "cannot create $sources"
echo "$sources"
