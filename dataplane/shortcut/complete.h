/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Let the program at the egress of port id complete what a packet socket has no words for. hdr are the headers of the
 * frame f. Write to head the 14 bytes to send in place of the first bytes of hdr. Return the message's mark (SO_MARK),
 * or 0 if the program cannot be relied on.
 *
 *	untag	put a VLAN tag: the first of hdr, whose first 18 bytes head replaces
 *	tunnel	put a tunnel's headers, those that f->outer says: head replaces 14 bytes
 *
 * Context: worker.
 */
#ifndef NFVD_SHORTCUT_COMPLETE_H
#define NFVD_SHORTCUT_COMPLETE_H

#include <stdint.h>
#include "frame/frame.h"

uint32_t nfvd_complete_untag(unsigned int id, const uint8_t *hdr, uint8_t head[14]);
uint32_t nfvd_complete_tunnel(unsigned int id, const struct nfvd_frame *f, uint8_t head[14]);

#endif
