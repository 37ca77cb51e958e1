#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# deb-image.sh - make a Debian 12 with systemd and the dependencies of the packages nfvd, nfv-cockpit and nfv-dkms, for
# tests/integration/84-packages.sh. Print its folder, which stays in the cache.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/../tools/guests/cache.sh"

include=systemd-sysv,dbus,iproute2,jq,dkms,linux-headers-cloud-amd64,python3,procps
include+=,libbpf1,libjansson4,libmnl0,libnuma1,libsmartcols1,libmicrohttpd12,libpcap0.8,libsystemd0,liburcu8,libxenstore4,libbsd0,cockpit-bridge
image=$cache/deb-$(echo "$include" | sha256sum | cut -c 1-16)
if [ ! -e "$image" ]; then
	making "the Debian for the packages"
	apt_open
	work=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf --one-file-system "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	apt-config dump | grep '^Acquire::.* "..*";' >"$work/apt.conf" || true
	debian_sources | mmdebstrap --quiet --mode=root --variant=minbase --include="$include" --aptopt="$work/apt.conf" \
		bookworm "$work/root" - >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
	chmod 755 "$work/root"
	mv -T "$work/root" "$image"
fi
touch "$image"
echo "$image"
