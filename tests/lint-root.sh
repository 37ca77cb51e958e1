#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Check that programs that run as root do not trust files and words of others; print one line per violation:
#
#	no shell between a program and what it runs; a line for a guest's own shell is no breach
#	no name for a temporary file that others can foresee, no folder that others can write
#	no file made or opened that a child inherits; none made through a link that is there
#	nfvctl prints through out.c alone, which cleans what it prints
#	environment variables: those that users are told of
#
# Each rule is first tested: it must find its examples of violations.
set -eu
shopt -s globstar nullglob
cd "$(dirname "$0")/.."

breaches=0

# find PATTERN UNLESS FILE... - print lines that match PATTERN, except comments and lines that match UNLESS, too
find_lines()
{
	local pattern=$1 unless=$2

	shift 2
	grep -nHE -- "$pattern" "$@" /dev/null | grep -vE '^[^:]*:[0-9]*:[[:space:]]*(/?\*|//|#)' |
		grep -vE -- "${unless:-^$}"
}

names=() patterns=() unless=() files=() caught=() passed=()

# rule MESSAGE PATTERN UNLESS FILES CAUGHT PASSED - the rule must find each line of CAUGHT, and none of PASSED
rule() { names+=("$1") patterns+=("$2") unless+=("$3") files+=("$4") caught+=("$5") passed+=("$6"); }

rule "a shell runs what a program made" \
	'\b(system|popen|wordexp|execle?|execlp|call_usermodehelper[a-z_]*)[[:space:]]*\(|"(/usr)?(/bin/)?(ba|da|k|z|a)?sh"' '' \
	"$(echo {dataplane,ctl,kmod,include,tools}/{,**/}*.[ch])" \
	'	system(command);
	f = popen("ip link", "r");
	execl("/bin/sh", "sh", "-c", command, NULL);
	char *argv[] = { "sh", "-c", command, NULL };
	run_command(NULL, -1, 5, ARGV("/bin/bash", "-c", line), err);
	call_usermodehelper(path, argv, envp, UMH_WAIT_EXEC);' \
	'	run_command(NULL, -1, 5, ARGV("xl", "destroy", run), err);
	agent_run(path, "exec iperf3 -c 10.0.0.2", 5, &output, err);
 * no system() and no popen()'
rule "a shell runs what a script made" \
	"\\bos\\.(system|popen)|\\bshell=True|\\b(ba|da)?sh -c [^'[:space:]]|\\beval\\b" '' \
	"$(git ls-files -- tools | grep -v '^tools/guests/init$' | grep -vE '\.(c|h|md)$')" \
	'    os.system("ip link del " + name)
    subprocess.run(command, shell=True)
	bash -c "ip link del $name"
	sh -c $command
	eval "$line"' \
	"	sh -c 'exec \"\$@\"' run \"\$command\""
rule "a temporary name that others can foresee, or a folder of theirs" \
	'\b(mktemp|tmpnam|tempnam|tmpfile)[[:space:]]*\(|"(/var)?/tmp\b|TMPDIR' '' \
	"$(echo {dataplane,ctl}/{,**/}*.[ch])" \
	'	path = mktemp(template);
	snprintf(path, sizeof(path), "/tmp/nfv.%d", getpid());
	dir = getenv("TMPDIR");' \
	'	mkdtemp(dir);'
rule "a file that children inherit" \
	'(^|[^_>.[:alnum:]])open(at)?\(|\bfopen\(|(^|[^_>.[:alnum:]])(socket|accept|pipe)\(' \
	'/\*.*open\(|O_CLOEXEC|SOCK_CLOEXEC|fopen\([^,]*, "[rwa]e"|accept4|pipe2|^[^:]*:[0-9]*:([a-z].*)?\*?(open|socket)\([a-z]+ ' \
	"$(echo {dataplane,ctl}/{,**/}*.[ch] include/nfv/*.h)" \
	'	fd = open(path, O_RDONLY);
	f = fopen(path, "r");
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	fd = accept(listener, NULL, NULL);' \
	'	fd = open(path, O_RDONLY | O_CLOEXEC);
	f = fopen(path, "re");
	if (carrier->open(nd, err))'
rule "a file is made through whatever is there" \
	'\bO_CREAT\b|\bcreat\(|\bfopen\([^,]*, "[wa]' 'O_NOFOLLOW|O_EXCL' \
	"$(echo {dataplane,ctl}/{,**/}*.[ch] include/nfv/*.h)" \
	'	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f = fopen(path, "we");' \
	'	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);'
rule "nfvctl prints past out.c" \
	'\b(printf|vprintf|puts|putchar|perror|psignal|psiginfo)\(|\b(v?fprintf|dprintf)\((stdout|stderr|[12])\b|\b(fputs|fputc|putc)\(.*\b(stdout|stderr)\)|\bwrite\((1|2|STD(OUT|ERR)_FILENO)\b|json_dumpf\(.*\b(stdout|stderr)\b' '' \
	"$(echo ctl/*.[ch] ctl/*/*.[ch] | tr ' ' '\n' | grep -v '^ctl/out.c$' | tr '\n' ' ')" \
	'	printf("%s\n", name);
	fprintf(stderr, "%s\n", err.text);
	puts(text);
	fputs(text, stderr);
	perror(name);
	json_dumpf(obj, stdout, 0);' \
	'	snprintf(buf, size, "%s", name);
	fprintf(f, "interface eth0\n");'
rule "an environment variable that users are not told of" \
	'\b(secure_)?getenv\(' 'getenv\("(NFV_STATE_DIR|NFV_GUESTS|NO_COLOR|PATH|HOME|XDG_CACHE_HOME|JOURNAL_STREAM)"\)' \
	"$(echo {dataplane,ctl}/{,**/}*.[ch] include/nfv/*.h)" \
	'	if (getenv("NFV_TEST"))' \
	'	dir = getenv("NFV_STATE_DIR");'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for i in "${!names[@]}"; do
	printf '%s\n' "${caught[i]}" >"$work/caught.c"
	printf '%s\n' "${passed[i]}" >"$work/passed.c"
	want=$(grep -c . "$work/caught.c")
	got=$(find_lines "${patterns[i]}" "${unless[i]}" "$work/caught.c" | grep -c . || true)
	if [ "$got" != "$want" ]; then
		echo "the rule '${names[i]}' finds $got of $want breaches"
		breaches=1
	fi
	if find_lines "${patterns[i]}" "${unless[i]}" "$work/passed.c"; then
		echo "the rule '${names[i]}' finds what is none"
		breaches=1
	fi
	mapfile -t list < <(for file in ${files[i]}; do [ ! -f "$file" ] || echo "$file"; done | sort -u)
	if found=$(find_lines "${patterns[i]}" "${unless[i]}" "${list[@]}"); then
		while IFS= read -r line; do
			echo "${names[i]}: $line"
		done <<<"$found"
		breaches=1
	fi
done
exit $breaches
