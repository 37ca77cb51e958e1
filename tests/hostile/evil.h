/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * evil-vu: a hostile guest against a running nfvd.
 *
 * The program is the guest of four ports. "evil" misbehaves. "peer" exchanges frames with it, one at a time. "w0" and
 * "w1", the witness (witness.h), exchange frames all the time on their own thread; they must not lose any, nor wait
 * longer than the guests of a second nfvd. Each test attacks, and then names with moved() the counters that must have
 * changed. If any other counter changed, on any port, the test fails. After each test nfvd runs, its sums are correct,
 * the witness has lost nothing, and frames pass between evil and peer again.
 */
#ifndef EVIL_H
#define EVIL_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include "vufront.h"
#include "witness.h"

#define RX		VUF_RX(0)
#define TX		VUF_TX(0)
#define RING		256
#define HDR		12u		/* bytes of virtio_net_hdr_mrg_rxbuf */
#define SMALL		2048u		/* bytes of the buffers that are posted for Rx */
#define BIG		(1u << 17)	/* bytes of a guest's scratch buffer */
#define MIN		60u		/* bytes of the frame that load() makes */
#define MACS		64		/* that evil may teach */
#define ETHERTYPE	0x88b5		/* for local experiments, IEEE 802 */
#define PATIENCE_MS	20000
#define RESPONSE_MS	3000		/* for control's response, on a slow machine; a peer that holds control does so for 5 s */

int64_t now_ms(void);
int64_t now_ns(void);
void nap(void);				/* between two looks at something: 50 us */

/* Poll cond for up to ms milliseconds; true if it came true. */
#define wait_until(cond, ms) ({							\
	int64_t end_ = now_ms() + (ms);						\
	bool ok_;								\
	while (!(ok_ = (cond)) && now_ms() < end_)				\
		nap();								\
	ok_; })

/* ---- rpc.c: what nfvd says. A failing request fails the test. ---- */

void rpc_open(const char *state_dir);
void rpc_close(void);
json_t *rpc(const char *method, json_t *params);	/* params is stolen, may be NULL; result is new */
/* Return the error object of a request that must be refused. */
json_t *rpc_refused(const char *method, json_t *params);
json_t *port_of(const char *name);			/* element of port.list; new */
bool port_is(const char *name, const char *state);
/* The queue must have this state and reason; NULL: no reason. */
void queue_is(const char *name, unsigned int q, const char *state, const char *reason);
/* Remember all counters. */
void mark(void);
/*
 * Since mark(), exactly these moved: port, reason, by how much (int), ..., NULL.
 * Wait for them. kick_spurious, kick_missing and call_late are ignored, because they depend on timing.
 */
void moved(const char *port, ...) __attribute__((sentinel));
/* Return how far one counter has moved; others may have moved, too. */
int64_t moved_by(const char *port, const char *reason);
void sums_add_up(void);
unsigned int nfvd_fds(void);
unsigned int nfvd_limit_fds(unsigned int n);		/* returns what the limit was */
unsigned int nfvd_rss_kb(void);
unsigned int nfvd_cpu_ms(void);

/* ---- guest.c ---- */

struct guest {
	struct vuf f;
	char name[16], path[108];
	uint8_t mac[6];
	unsigned int hdr_len;
	uint8_t *rx[RING];	/* buffers of SMALL bytes, descriptor i has rx[i] */
	uint8_t *big;		/* BIG bytes for whatever is sent */
	uint8_t *ind;		/* 64 KiB for indirect tables */
};

extern struct guest evil, peer;

void guest_init(struct guest *g, const char *name, uint8_t last_byte, uint64_t features);
void guest_fini(struct guest *g);
/* Post all receive buffers. */
void guest_fill(struct guest *g);
/* Connect and start, and wait until nfvd shows it as up. fill: with receive buffers. */
void guest_up(struct guest *g, bool fill);
void guest_down(struct guest *g);		/* disconnect, until nfvd has noticed */
void guest_again(struct guest *g, bool fill);	/* down and up */
/* Stop, clear and start both rings, as when a driver resets its device. */
void guest_reset(struct guest *g, bool fill);

/* Frame of len bytes from src to dst: ETHERTYPE, then bytes that depend on seed. */
void frame_make(uint8_t *frame, uint32_t len, const uint8_t *dst, const uint8_t *src, unsigned int seed);
/* Send one buffer, with header (NULL: zeros) and frame in g->big; wait until nfvd returns it. */
void guest_send(struct guest *g, const struct virtio_net_hdr *h, const void *frame, uint32_t len);
/* The same with a prepared chain at descriptor head. */
void guest_send_chain(struct guest *g, uint16_t head);
/* Wait until nfvd has returned n more Tx entries. */
void guest_sent(struct guest *g, unsigned int n);
/* Receive the next frame, and post its buffers again. Return its length, or -1 after ms milliseconds. */
int guest_recv(struct guest *g, struct virtio_net_hdr_mrg_rxbuf *h, void *frame, uint32_t cap, int ms);
/* The next received frame must be this one. */
void guest_gets(struct guest *g, const void *frame, uint32_t len);
void guest_gets_nothing(struct guest *g);	/* no frame arrives, although all sent ones have passed */
/* Frames must pass in both directions between evil and peer. */
void traffic_flows(void);
/* Write a descriptor of evil. */
void desc(unsigned int q, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next);
uint64_t gpa_of(const void *p);			/* in evil's memory */
/* Put a valid header and a frame of MIN bytes from evil to peer into evil.big. */
void load(void);

/* Send the ring's last buffer once more. */
void send_again(struct vuf_vring *r);

/* Where the socket of a port is; attach one of kvm, mode "server" or "client"; and detach it. */
void port_path(const char *name, char *path, size_t size);
void port_attach(const char *name, const char *mode, int queues);
void port_detach(const char *name);

/* ---- fixtures (evil-vu.c) ---- */

extern bool with_policy;	/* evil and peer have one that checks each frame */

#define RUN_MS	2000	/* of traffic, where more than a moment is needed */


void witness_check(const char *name);	/* up to now it has nothing to complain of */
int attach_anew(void **state);			/* evil's port: nothing learnt, nothing counted */
int before(void **state);			/* mark(); state is the test's name */
int after(void **state);

#define evil_test(f) ((struct CMUnitTest){ #f, f, before, after, (void *)#f })

int ring_tests(void);
int chain_tests(void);
int flip_tests(void);
int msg_tests(void);
int sock_tests(void);
int mem_tests(void);
int fds_tests(void);
int own_tests(void);
int crowd_tests(void);
int holes_tests(void);
int again_tests(void);
int frame_tests(void);
int flood_tests(void);
int policy_tests(void);

#endif
