# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash

# without_comments FILE... - print "@ FILE" and the lines of each C file, without comments; macros stay as they are.
without_comments()
{
	local file

	for file; do
		echo "@ $file"
		"${CC:-cc}" -fpreprocessed -E -P -w "$file" 2>/dev/null
	done
}
