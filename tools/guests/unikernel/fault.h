/* SPDX-License-Identifier: BSD-3-Clause */
/* A fault ends the machine. The assembler file with the entry includes this. */
#ifndef FAULT_H
#define FAULT_H

#define FAULTS			32
#define FAULT_STUB_BYTES	16

#ifdef __ASSEMBLER__
/*
 * The stubs NAME, FAULT_STUB_BYTES apart. Each drops POPPED bytes of the stack, down
 * to what the CPU has pushed, and passes that to fault().
 */
	.macro FAULT_STUBS name, popped
	.balign	FAULT_STUB_BYTES
	.globl	\name
\name:
	.set	vector, 0
	.rept	FAULTS
	.balign	FAULT_STUB_BYTES
	.if	\popped
	addq	$\popped, %rsp
	.endif
	/* For these vectors the CPU pushes an error code. */
	.if	!(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	pushq	$0
	.endif
	movl	$vector, %edi
	jmp	\name\()_common
	.set	vector, vector + 1
	.endr
\name\()_common:
	cld
	movq	%rsp, %rsi
	andq	$-16, %rsp
	call	fault
	.endm
#else
#include <stdint.h>

/* On the stack. */
struct fault_frame {
	uint64_t error;
	uint64_t rip;
	uint64_t segment;
	uint64_t flags;
	uint64_t rsp;
};

void fault(uint64_t vector, const struct fault_frame *frame) __attribute__((noreturn));
#endif
#endif
