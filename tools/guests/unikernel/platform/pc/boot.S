/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From PVH's 32-bit entry to main() in long mode, and the way into irq() and
 * fault().
 *
 * Memory is mapped one to one up to 4 GiB, in pages of 2 MiB: our image and
 * its data, and the registers of devices below 4 GiB.
 */
#include <xen/elfnote.h>
#include "fault.h"
#include "pc.h"

#define PAGE_PRESENT	1
#define PAGE_WRITE	2
#define PAGE_LARGE	0x80
#define LARGE_BYTES	0x200000
#define TABLE_ENTRIES	512
#define DIRECTORIES	4

#define CR0_PE		1
#define CR0_WP		(1 << 16)
#define CR0_PG		(1 << 31)
#define CR4_PAE		(1 << 5)
#define MSR_EFER	0xc0000080
#define EFER_LME	(1 << 8)

#define STACK_BYTES	32768

	.section .note.entries, "a", @note
	.balign	4
	.long	4, 8, XEN_ELFNOTE_PHYS32_ENTRY
	.asciz	"Xen"
	.quad	start

	.text
	.code32
	.globl	start
start:
	cli
	cld
	rdtsc
	movl	%eax, boot_tsc
	movl	%edx, boot_tsc + 4
	movl	$stack_top, %esp
	movl	%ebx, %esi

	/* The directories: PAGE_LARGE entries, one after the other. */
	movl	$directories, %edi
	movl	$(PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE), %eax
	movl	$(DIRECTORIES * TABLE_ENTRIES), %ecx
1:	movl	%eax, (%edi)
	addl	$LARGE_BYTES, %eax
	addl	$8, %edi
	loop	1b

	movl	$(directories + PAGE_PRESENT + PAGE_WRITE), %eax
	movl	$pointers, %edi
	movl	$DIRECTORIES, %ecx
1:	movl	%eax, (%edi)
	addl	$4096, %eax
	addl	$8, %edi
	loop	1b
	movl	$(pointers + PAGE_PRESENT + PAGE_WRITE), root

	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$root, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$(CR0_PG | CR0_WP | CR0_PE), %eax
	movl	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$SEGMENT_CODE, $start64

	.code64
start64:
	movl	$SEGMENT_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$pc, %edi
	xorl	%ebp, %ebp
	call	main
1:	cli
	hlt
	jmp	1b

/* What C may change of the registers is kept; %rdi is what the handler gets. */
	.macro	ENTER
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	cld
	.endm

/* Interrupts: one stub for each vector in use. On entry %rsp is 8 mod 16. */
	.macro	IRQ_STUB name, vector
	.globl	\name
\name:
	pushq	%rdi
	movl	$\vector, %edi
	jmp	irq_common
	.endm
	IRQ_STUB irq_timer, VECTOR_TIMER
	IRQ_STUB irq_net, VECTOR_NET
	IRQ_STUB irq_spurious, VECTOR_SPURIOUS

irq_common:
	ENTER
	subq	$8, %rsp
	call	irq
	addq	$8, %rsp
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	popq	%rdi
	iretq

	FAULT_STUBS fault_stubs, 0

	.section .rodata
	.balign	8
gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* SEGMENT_CODE: 64 bit */
	.quad	0x00cf93000000ffff	/* SEGMENT_DATA */
gdt_pointer:
	.word	. - gdt - 1
	.quad	gdt

	.bss
	.balign	4096
root:
	.skip	4096
pointers:
	.skip	4096
directories:
	.skip	4096 * DIRECTORIES
	.skip	STACK_BYTES
	.globl	stack_top
stack_top:

	.section .note.GNU-stack, "", @progbits
