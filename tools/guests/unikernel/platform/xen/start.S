/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the domain builder wants to know, and where it begins: in long mode, with
 * all of our memory mapped, without privileges.
 */
#define __ASSEMBLY__
#include <xen/elfnote.h>
#include "fault.h"

	.macro NOTE type, bytes
	.balign	4
	.long	4, \bytes, \type
	.asciz	"Xen"
	.endm

	.section .note.entries, "a", @note
	NOTE	XEN_ELFNOTE_XEN_VERSION, 8
	.asciz	"xen-3.0"
	NOTE	XEN_ELFNOTE_GUEST_OS, 4
	.asciz	"nfv"
	NOTE	XEN_ELFNOTE_LOADER, 8
	.asciz	"generic"
	NOTE	XEN_ELFNOTE_VIRT_BASE, 8
	.quad	0
	NOTE	XEN_ELFNOTE_PADDR_OFFSET, 8
	.quad	0
	NOTE	XEN_ELFNOTE_ENTRY, 8
	.quad	start_xen
	NOTE	XEN_ELFNOTE_HYPERCALL_PAGE, 8
	.quad	hypercall_page

	.text
	.globl	start_xen
start_xen:
	cld
	movq	$stack_top, %rsp
	xorl	%ebp, %ebp
	movl	$xen, %edi
	call	main
1:	jmp	1b

/* Xen puts %rcx and %r11 on top of what the processor would. */
	FAULT_STUBS xen_fault_stubs, 16

	.balign	4096
	.globl	hypercall_page
hypercall_page:
	.skip	4096

	.section .note.GNU-stack, "", @progbits
