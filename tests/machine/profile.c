/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * profile - a plugin of QEMU 7.2: which instructions a machine executes, each counted, none sampled.
 *
 *	-plugin profile.so,out=FILE
 *
 * A program in the machine controls it with the instructions of profile.h, which have no other effect: start counting;
 * stop counting; write the counts and reset them. FILE gets, for each write,
 *
 *	section
 *	ADDRESS INSTRUCTIONS TIMES	hexadecimal, decimal, decimal: a run of code without a branch into it or out
 *
 * A call is a run that begins at the function's address. An iteration of rep movs counts as an instruction.
 * No package contains QEMU's header of the plugin interface, so the used parts are declared here.
 */
#include "profile.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT		__attribute__((visibility("default")))
#define BUCKETS		65536u

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;

enum { INLINE_ADD_U64 };
enum { CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *p, uint64_t n);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned int cpu, void *data), int flags,
					    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);
int qemu_plugin_version = 1;

/* Never freed: translated code adds to it. */
struct code {
	struct code *next;
	uint64_t address, insns;
	uint64_t now, counted;	/* times: since the last PROFILE_FROM, before that */
};

static struct code *codes[BUCKETS];
static FILE *out;

static struct code *code_of(uint64_t address, uint64_t insns)
{
	struct code **at = &codes[(address ^ address >> 16 ^ insns << 8) % BUCKETS], *c;

	for (c = *at; c; c = c->next)
		if (c->address == address && c->insns == insns)
			return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		abort();
	*c = (struct code){ *at, address, insns };
	return *at = c;
}

static void marked(unsigned int cpu, void *data)
{
	uintptr_t what = (uintptr_t)data;

	if (what == PROFILE_WRITE)
		fputs("section\n", out);
	for (unsigned int i = 0; i < BUCKETS; i++)
		for (struct code *c = codes[i]; c; c = c->next) {
			if (what == PROFILE_TO)
				c->counted += c->now;
			if (what == PROFILE_WRITE && c->counted)
				fprintf(out, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", c->address, c->insns, c->counted);
			if (what == PROFILE_WRITE)
				c->counted = 0;
			c->now = 0;
		}
	if (what == PROFILE_WRITE)
		fflush(out);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t nop[] = { 0x0f, 0x1f, 0x80 };
	size_t n = qemu_plugin_tb_n_insns(tb);
	uint32_t what;

	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &code_of(qemu_plugin_tb_vaddr(tb), n)->now, n ? 1 : 0);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *bytes = qemu_plugin_insn_data(insn);

		if (qemu_plugin_insn_size(insn) != sizeof(nop) + sizeof(what) || memcmp(bytes, nop, sizeof(nop)))
			continue;
		memcpy(&what, bytes + sizeof(nop), sizeof(what));
		if (what >= PROFILE_FROM && what <= PROFILE_WRITE)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, CB_NO_REGS, (void *)(uintptr_t)what);
	}
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	if (!out) {
		fputs("profile: no out=FILE that can be written\n", stderr);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
