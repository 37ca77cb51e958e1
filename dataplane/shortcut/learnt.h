/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The addresses that the switch has learnt, and to which of them the shortcut may take frames: for its programs
 * (addresses.h) and for the module's table (table.h).
 *
 * Context: control.
 */
#ifndef NFVD_SHORTCUT_LEARNT_H
#define NFVD_SHORTCUT_LEARNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "port/port.h"

struct nfvd_shortcut_entry {
	uint8_t mac[6];
	uint16_t vlan;
	unsigned int port;	/* id */
};

/* Replace the addresses by entries, which are all that the switch has learnt. */
void nfvd_shortcut_sync(const struct nfvd_shortcut_entry *entries, size_t n);

/*
 * Forget the addresses at port at once, here and in the module. Does nothing for a port that was not added.
 * Context: control; any thread if the port was not added.
 */
void nfvd_shortcut_forget(const struct nfvd_port *port);

/* Set *age_ms to how long ago a frame from e's address, at e's port, took the shortcut. Return false if none ever did. */
bool nfvd_shortcut_last_seen(const struct nfvd_shortcut_entry *e, uint64_t *age_ms);

/* Apply the addresses anew, after a device, a policy or a switch of the shortcut has changed. */
void nfvd_learnt_resync(void);
/*
 * Learn the addresses that the earlier nfvd had learnt at ports that are attached again. The switch learns them, too.
 * Return their number.
 */
size_t nfvd_learnt_adopt(void);
void nfvd_learnt_free(void);

#endif
