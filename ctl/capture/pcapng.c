// SPDX-License-Identifier: BSD-3-Clause
#include "capture/pcapng.h"

#include <stdint.h>
#include <string.h>
#include <nfv/rpc.h>

enum { SECTION = 0x0a0d0d0a, INTERFACE = 1, PACKET = 6 };
enum { OPT_COMMENT = 1, SHB_USERAPPL = 4, IF_NAME = 2, IF_TSRESOL = 9, EPB_FLAGS = 2, EPB_DROPCOUNT = 4, EPB_PACKETID = 5 };

#define ETHERNET	1

/* A block under construction. It is made in memory, because its length comes first and is known last. */
struct block {
	uint32_t len;
	uint8_t data[1024];
};

static void add(struct block *b, const void *data, uint32_t len)
{
	static const uint8_t zero[4];
	uint32_t pad = -len & 3;

	if (b->len + len + pad > sizeof(b->data))
		return;
	memcpy(b->data + b->len, data, len);
	memcpy(b->data + b->len + len, zero, pad);
	b->len += len + pad;
}

static void add32(struct block *b, uint32_t value)
{
	add(b, &value, sizeof(value));
}

static void option(struct block *b, uint16_t code, const void *data, uint16_t len)
{
	const uint16_t head[2] = { code, len };

	/* One that has no room is left out as a whole. */
	if (b->len + len + 12u > sizeof(b->data))
		return;
	add(b, head, sizeof(head));
	add(b, data, len);
}

static void write_block(FILE *f, uint32_t type, const struct block *b)
{
	const uint32_t len = b->len + 12, head[2] = { type, len };

	fwrite(head, sizeof(head), 1, f);
	fwrite(b->data, b->len, 1, f);
	fwrite(&len, sizeof(len), 1, f);
}

void pcapng_begin(struct pcapng *p, FILE *f)
{
	static const char name[] = "nfvctl " NFV_VERSION;
	struct block b = { 0 };

	p->f = f;
	p->n = 0;
	add32(&b, 0x1a2b3c4d);
	add32(&b, 1);			/* version 1.0 */
	add32(&b, UINT32_MAX);
	add32(&b, UINT32_MAX);		/* length of the section: not known */
	option(&b, SHB_USERAPPL, name, sizeof(name) - 1);
	add32(&b, 0);
	write_block(f, SECTION, &b);
}

/* The number of the port's interface, which is described when it is first used. */
static uint32_t interface(struct pcapng *p, const char *port)
{
	static const uint8_t ns = 9;
	struct block b = { 0 };

	for (unsigned int i = 0; i < p->n; i++)
		if (p->port[i] == port)
			return i;
	if (p->n == PCAPNG_PORTS)
		return PCAPNG_PORTS - 1;
	add32(&b, ETHERNET);
	add32(&b, NFV_CAPTURE_BYTES);
	option(&b, IF_NAME, port, (uint16_t)strlen(port));
	option(&b, IF_TSRESOL, &ns, sizeof(ns));
	add32(&b, 0);
	write_block(p->f, INTERFACE, &b);
	p->port[p->n] = port;
	return p->n++;
}

void pcapng_packet(struct pcapng *p, const char *port, enum pcapng_direction direction, const struct nfv_capture_record *r,
		   const char *comment, uint64_t missed)
{
	const uint32_t flags = direction;
	struct block b = { 0 };

	add32(&b, interface(p, port));
	add32(&b, (uint32_t)(r->time_ns >> 32));
	add32(&b, (uint32_t)r->time_ns);
	add32(&b, r->bytes);
	add32(&b, r->len);
	add(&b, r->data, r->bytes);
	option(&b, EPB_FLAGS, &flags, sizeof(flags));
	option(&b, EPB_PACKETID, &r->id, sizeof(r->id));
	if (missed)
		option(&b, EPB_DROPCOUNT, &missed, sizeof(missed));
	if (comment[0])
		option(&b, OPT_COMMENT, comment, (uint16_t)strlen(comment));
	add32(&b, 0);
	write_block(p->f, PACKET, &b);
}
