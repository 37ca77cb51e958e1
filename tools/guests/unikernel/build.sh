#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# build.sh - the unikernel; prints the path of its image, an ELF file that PVH and Xen (PV) boot.
#
# The image is named after a hash of all that went in, so it is built once and
# never changed; two builds at a time do not disturb each other. It fails if the
# image, or the memory that it takes, is larger than it may be.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
. ../cache.sh
image_max=$((2 * 1024 * 1024))
memory_max=$((7 * 1024 * 1024))

die() { echo "build.sh: $*" >&2; exit 1; }

lwip=$(./fetch-lwip.sh)
cc=${CC:-gcc}
hash=$({ cat -- *.sh *.[ch] *.ld arch/*.h platform/*/*.[chS]; echo "$lwip"; "$cc" --version; } | sha256sum | cut -c 1-16)
image=$cache/unikernel-$hash
if [ -e "$image" ]; then
	touch "$image"
	echo "$image"
	exit 0
fi

making "the unikernel"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

# No floating point: interrupts and boot.S do not keep its registers.
flags=(-std=gnu11 -O2 -ffreestanding -fno-tree-loop-distribute-patterns -fno-pic -fno-stack-protector
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -ffunction-sections -fdata-sections
	-mno-red-zone -mgeneral-regs-only -mcmodel=small -D__NO_INLINE__ -U_FORTIFY_SOURCE
	-Wall -Wextra -Werror -I "$here" -I "$lwip/src/include")
lwip_sources=("$lwip"/src/core/{init,def,inet_chksum,ip,mem,memp,netif,pbuf,tcp,tcp_in,tcp_out,timeouts}.c
	"$lwip"/src/core/ipv4/{etharp,icmp,ip4,ip4_addr,ip4_frag}.c "$lwip"/src/netif/ethernet.c)

own_sources=("$here"/*.c "$here"/platform/*/*.[Sc])
cd "$work"
"$cc" "${flags[@]}" -c "${lwip_sources[@]}" &
"$cc" "${flags[@]}" -Wshadow -c "${own_sources[@]}" || die "cannot build it"
wait $! || die "cannot build lwIP"
"$cc" -nostdlib -static -no-pie -Wl,-T,"$here/link.ld,--gc-sections,--build-id=none,-z,noexecstack,--fatal-warnings" \
	-o image ./*.o || die "cannot link"

bytes=$(stat -c %s image)
[ "$bytes" -le $image_max ] || die "the image has $bytes bytes, more than $image_max"
end=$((16#$(nm image | awk '$3 == "image_end" { print $1 }')))
[ $end -le $memory_max ] || die "it takes $end bytes of memory, more than $memory_max"

mv image "$image"
# Images nobody has used for a month.
find "$cache" -maxdepth 1 -name 'unikernel-*' -mtime +30 -exec rm -rf {} + || true
echo "$image"
