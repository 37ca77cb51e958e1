// SPDX-License-Identifier: BSD-3-Clause
/*
 * doctor: what this host can and cannot do. Each finding is ok, warn (something
 * will be slower or missing) or bad (something does not work), with the one
 * command that mends it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <nfv/text.h>
#include "ctl.h"

#define OK	"ok"
#define WARN	"warn"
#define BAD	"bad"

static json_t *findings;

static void find(const char *level, const char *check, const char *fix, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void find(const char *level, const char *check, const char *fix, const char *fmt, ...)
{
	char *text, *mended_by = fix ? strdup(fix) : NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	/* A finding is not lost for what it quotes. */
	nfv_text_clean(text);
	if (mended_by)
		nfv_text_clean(mended_by);
	json_array_append_new(findings, json_pack("{ss ss ss ss*}", "level", level, "check", check, "text", text,
						  "fix", mended_by));
	free(text);
	free(mended_by);
}

static const char *string(json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s ? s : "";
}

/* ---- the host ---- */

static bool have_program(const char *name)
{
	const char *path = getenv("PATH");
	char *copy = strdup(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"), *rest = copy, *dir, file[512];
	bool have = false;

	while (!have && (dir = strsep(&rest, ":"))) {
		snprintf(file, sizeof(file), "%s/%s", dir, name);
		have = !access(file, X_OK);
	}
	free(copy);
	return have;
}

static void check_tools(void)
{
	static const struct { const char *name, *why, *fix; } tools[] = {
		{ "iperf3", "'bench throughput' and 'bench matrix' need it", "apt-get install iperf3" },
		{ "ip", "containers are made with it", "apt-get install iproute2" },
		{ "qemu-system-x86_64", "guests are run with it", "apt-get install qemu-system-x86" },
	};

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		if (have_program(tools[i].name))
			find(OK, "tools", NULL, "%s is installed", tools[i].name);
		else
			find(WARN, "tools", tools[i].fix, "no %s: %s", tools[i].name, tools[i].why);
	}
}

static void check_kvm(void)
{
	char why[128];

	if (access("/dev/kvm", F_OK))
		find(WARN, "kvm", "modprobe -a kvm kvm_intel kvm_amd", "no /dev/kvm: QEMU can only emulate guests, slowly");
	else if (access("/dev/kvm", R_OK | W_OK))
		find(WARN, "kvm", "sudo nfvctl doctor", "/dev/kvm cannot be opened: %s", strerror(errno));
	else if (kvm_runs(why, sizeof(why)))
		find(OK, "kvm", NULL, "/dev/kvm runs guests");
	else
		find(WARN, "kvm", "qemu-system-x86_64 -accel tcg -smp 1,maxcpus=2 -device virtio-net-pci,netdev=n,vectors=0 ...",
		     "/dev/kvm exists but cannot run a guest kernel (%s): QEMU must emulate, slowly", why);
}

static void check_btf(void)
{
	if (!access("/sys/kernel/btf/vmlinux", R_OK))
		find(OK, "btf", NULL, "the kernel describes its types: the container shortcut can be loaded");
	else
		find(WARN, "btf", "nfvctl shortcut off",
		     "no /sys/kernel/btf/vmlinux: no shortcut between containers (a kernel with CONFIG_DEBUG_INFO_BTF has it)");
}

static void check_module(void)
{
	if (!access("/dev/nfv", F_OK))
		find(OK, "module", NULL, "nfv.ko is loaded: containers reach guests with one copy");
	else if (access("/proc/modules", F_OK))
		find(OK, "module", NULL, "this kernel loads no modules: containers are reached through packet sockets, with one more copy");
	else
		find(WARN, "module", "make module && insmod kmod/nfv.ko",
		     "nfv.ko is not loaded: containers are reached through packet sockets, with one more copy");
}

/* The first word of a file; empty: it cannot be read. */
static const char *word_of(const char *path, char word[64])
{
	FILE *f = fopen(path, "re");

	word[0] = 0;
	if (f) {
		if (fscanf(f, "%63s", word) != 1)
			word[0] = 0;
		fclose(f);
	}
	return word;
}

static void check_xen(void)
{
	char word[64], major[64], minor[64];

	if (strcmp(word_of("/sys/hypervisor/type", word), "xen"))
		return;
	word_of("/sys/hypervisor/version/major", major);
	word_of("/sys/hypervisor/version/minor", minor);
	if (!access("/sys/bus/xen-backend", F_OK))
		find(OK, "xen", NULL, "Xen %s.%s, %s can have backends", major, minor,
		     strstr(word_of("/proc/xen/capabilities", word), "control_d") ? "dom0" : "this domain");
	else
		find(WARN, "xen", "modprobe -a xen-evtchn xen-gntdev", "Xen %s.%s, but no backends in this kernel", major, minor);
	if (!access("/sys/bus/xen-backend/drivers/nfv-vif", F_OK))
		find(OK, "xen", NULL, "nfv.ko serves guests' network interfaces%s",
		     access("/sys/bus/xen-backend/drivers/vif", F_OK) ? "" : ", beside xen-netback");
	else
		find(WARN, "xen", "make module && insmod kmod/nfv.ko", "nfv.ko is not loaded: no xen ports");
	if (access("/etc/xen/scripts/vif-nfv", X_OK))
		find(WARN, "xen", "make install", "no /etc/xen/scripts/vif-nfv: guests are not attached when they start");
}

/* What should be a socket and is something else. */
static bool in_the_way(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && !S_ISSOCK(st.st_mode);
}

static void found_in_the_way(const char *check, const char *path, const char *what)
{
	char fix[640];

	snprintf(fix, sizeof(fix), "mv %s %s.away", path, path);
	find(BAD, check, fix, "%s should be %s, but is not a socket", path, what);
}

/* ---- nfvd and its ports ---- */

/* What only nfvd can know: a missing shortcut, guest memory that is not shared. */
static void take_findings(void)
{
	struct ctl_err err = { 0 };
	json_t *all = rpc_call("findings.get", NULL, &err), *f;
	size_t i;

	if (!all)
		find(BAD, "nfvd", err.hint[0] ? err.hint : NULL, "it does not report its findings: %s", err.text);
	json_array_foreach(json_object_get(all, "findings"), i, f) {
		const char *hint = string(f, "hint"), *port = string(f, "port");

		find(string(f, "level"), port[0] ? port : "nfvd", hint[0] ? hint : NULL, "%s", string(f, "text"));
	}
	json_decref(all);
}

static json_t *check_nfvd(void)
{
	struct ctl_err err = { 0 };
	char path[256];
	json_t *info;

	snprintf(path, sizeof(path), "%s/%s", ctl_state_dir, NFV_CTL_SOCKET);
	if (in_the_way(path)) {
		found_in_the_way("nfvd", path, "nfvd's control socket");
		return NULL;
	}
	info = rpc_call("daemon.info", NULL, &err);
	if (!info)
		find(BAD, "nfvd", err.hint[0] ? err.hint : NULL, "%s", err.text);
	else if (strcmp(string(info, "version"), NFV_VERSION))
		find(WARN, "nfvd", "make install", "nfvd is version %s, nfvctl %s", string(info, "version"), NFV_VERSION);
	else
		find(OK, "nfvd", NULL, "nfvd %s responds on %s", NFV_VERSION, path);
	return info;
}

static void check_state(json_t *port)
{
	const char *name = string(port, "name");

	if (!strcmp(string(port, "state"), "fenced"))
		find(BAD, name, "reboot in the guest", "fenced after malformed input (%s)", string(port, "reason"));
}

/* A frame of the largest MTU does not fit the smallest. */
static void check_mtu(json_t *ports)
{
	json_t *port, *mtu, *low = NULL, *high = NULL;
	char fix[128];
	size_t i;

	json_array_foreach(ports, i, port) {
		mtu = json_object_get(port, "mtu");
		if (!json_is_integer(mtu))
			continue;
		if (!low || json_integer_value(mtu) < json_integer_value(json_object_get(low, "mtu")))
			low = port;
		if (!high || json_integer_value(mtu) > json_integer_value(json_object_get(high, "mtu")))
			high = port;
	}
	if (!low)
		return;
	json_int_t min = json_integer_value(json_object_get(low, "mtu"));
	json_int_t max = json_integer_value(json_object_get(high, "mtu"));

	if (min == max) {
		find(OK, "mtu", NULL, "all devices have MTU %" JSON_INTEGER_FORMAT, min);
		return;
	}
	snprintf(fix, sizeof(fix), "ip link set dev %s mtu %" JSON_INTEGER_FORMAT, string(low, "dev"), max);
	find(WARN, "mtu", fix, "%s has MTU %" JSON_INTEGER_FORMAT ", %s %" JSON_INTEGER_FORMAT
	     ": large frames between them are lost", string(low, "name"), min, string(high, "name"), max);
}

/* A packet socket loses what no virtio_net_hdr says. */
static void check_offloads(json_t *port)
{
	if (!json_is_true(json_object_get(port, "container_offloads_unknown")))
		return;
	find(WARN, "offloads", "ethtool -K DEV tx-sctp-segmentation off tx-gso-list off, in the container",
	     "%s: the container's end of its veth may send super-frames that a packet socket loses (SCTP)", string(port, "name"));
}

static void check_ports(void)
{
	struct ctl_err err = { 0 };
	json_t *all = rpc_list("port.list", "ports", NULL, &err), *port;
	json_t *ports = json_object_get(all, "ports");
	size_t i;

	if (!all)
		find(BAD, "nfvd", NULL, "it does not list its ports: %s", err.text);
	json_array_foreach(ports, i, port) {
		check_state(port);
		check_offloads(port);
	}
	check_mtu(ports);
	json_decref(all);
}

int cmd_doctor(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "level", "" }, { "check", "CHECK" }, { "text", "FINDING" }, { "fix", "MENDED BY" }, { NULL, NULL }
	};
	json_t *info, *out, *f;
	int rc = CTL_OK;
	size_t i;

	if (argc)
		return ctl_usage(err, "takes no argument");
	findings = json_array();
	info = check_nfvd();
	if (info) {
		take_findings();
		check_ports();
	}
	json_decref(info);
	check_tools();
	check_kvm();
	check_btf();
	check_module();
	check_xen();
	json_array_foreach(findings, i, f)
		if (!strcmp(string(f, "level"), BAD))
			rc = CTL_FAILED;
	out = json_pack("{so}", "findings", findings);
	out_table(out, "findings", columns, "");
	json_decref(out);
	return rc;
}
