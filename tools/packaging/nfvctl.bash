# SPDX-License-Identifier: BSD-3-Clause
# Completion for bash: nfvctl itself lists the words that may follow.
_nfvctl()
{
	local words

	words=$("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$2")
}
complete -o default -F _nfvctl nfvctl
