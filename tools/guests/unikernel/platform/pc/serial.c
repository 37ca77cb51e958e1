// SPDX-License-Identifier: BSD-3-Clause
/*
 * The first serial port, polled.
 */
#include "pc.h"

#define COM1_DATA	0x3f8
#define COM1_STATUS	0x3fd
#define STATUS_EMPTY	0x20
/* A port that never gets empty does not exist. */
#define PATIENCE	100000

void serial_put_char(char c)
{
	int i;

	for (i = 0; i < PATIENCE && !(in8(COM1_STATUS) & STATUS_EMPTY); i++)
		;
	out8(COM1_DATA, (uint8_t)c);
}
