#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# vmlinux.sh FOLDER - unpack vmlinux from FOLDER/vmlinuz once, for Xen, because unpacking at each boot
# is slow when emulated. Print its path.
set -eu

folder=$1
if [ ! -e "$folder/vmlinux" ]; then
	# Where the payload is: Documentation/arch/x86/boot.rst, setup_sects and payload_*.
	number() { od -An -v "-tu$2" -j "$(($1))" -N "$2" "$folder/vmlinuz" | tr -d ' '; }
	payload() { tail -c +$((($(number 0x1f1 1) + 1) * 512 + $(number 0x248 4) + 1)) "$folder/vmlinuz" | head -c "$(number 0x24c 4)"; }
	file=$(mktemp "$folder/vmlinux.XXXXXX")
	trap 'rm -f "$file"' EXIT
	# The unpacked length follows the packed data; unpackers report it as trailing garbage.
	case $(payload | head -c 4 | od -An -tx1) in
	' fd 37 7a 58') payload | xz -dc --single-stream >"$file" ;;
	' 28 b5 2f fd') payload | zstd -dcq >"$file" 2>/dev/null || true ;;
	*) echo "vmlinux.sh: $folder/vmlinuz: packed in another way" >&2; exit 1 ;;
	esac
	[ "$(stat -c %s "$file")" = "$(payload | tail -c 4 | od -An -tu4 | tr -d ' ')" ] || { echo "vmlinux.sh: $folder/vmlinuz: cannot unpack" >&2; exit 1; }
	chmod 644 "$file"
	mv "$file" "$folder/vmlinux"
fi
echo "$folder/vmlinux"
