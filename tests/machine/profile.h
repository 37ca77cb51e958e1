/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands of a program in a machine to the plugin profile.c, as long nops, which have no effect without the plugin. */
#ifndef PROFILE_H
#define PROFILE_H

#define PROFILE_FROM	0x6e667601
#define PROFILE_TO	0x6e667602
#define PROFILE_WRITE	0x6e667603

#define PROFILE_SAY(what)	__asm__ volatile("nopl %c0(%%rax)" : : "i"(what) : "memory")

#endif
