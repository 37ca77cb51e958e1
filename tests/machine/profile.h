/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program in a machine tells the plugin profile.c, by a long nop: without the plugin it is one. */
#ifndef PROFILE_H
#define PROFILE_H

#define PROFILE_FROM	0x6e667601
#define PROFILE_TO	0x6e667602
#define PROFILE_WRITE	0x6e667603

#define PROFILE_SAY(what)	__asm__ volatile("nopl %c0(%%rax)" : : "i"(what) : "memory")

#endif
