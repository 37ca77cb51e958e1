/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * evil-vu [PATTERN | --memory | --policy] - run the tests whose names contain PATTERN (with * and ?); or those that
 * depend on how guest memory is read; or those about frames, with policies at the ports of evil and peer.
 *
 * NFVD_STATE_DIR and NFVD_PID name the nfvd under attack, which has no ports. CONTROL_STATE_DIR and CONTROL_PID name
 * the witness's second nfvd, which has ports w0 and w1. See evil.h.
 * If EVIL_DROPS names a file, each port that is detached adds lines to it: the port, a reason, and how many frames were
 * dropped there for it.
 */
#include "evil.h"
#include "fuse.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint64_t evil_features =
	VUF_NET_FEATURES | 1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_NET_F_CSUM |
	1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4 | 1ull << VIRTIO_NET_F_HOST_TSO6;

bool with_policy;

static void attach(struct guest *g, const char *name, const char *state_dir, int macs)
{
	json_t *p = json_pack("{s:s, s:s}", "type", "kvm", "name", name);

	if (macs)
		json_object_set_new(p, "macs", json_integer(macs));
	/* These policies check each frame, but drop none. */
	if (with_policy)
		json_object_update_new(p, json_pack("{s:s, s:s, s:s}", "from", "900Gbit 900Mpps", "to", "900Gbit 900Mpps",
						    "weight", "2"));
	json_decref(rpc("port.attach", p));
	if (g)
		snprintf(g->path, sizeof(g->path), "%s/%s.sock", state_dir, name);
}

void witness_check(const char *name)
{
	const char *wrong = witness_end(name);

	if (wrong)
		fail_msg("%s", wrong);
}

/* Return the nfvd of NAME_STATE_DIR and NAME_PID. */
static struct witness_nfvd nfvd_of(const char *name)
{
	char dir[64], pid[64];

	snprintf(dir, sizeof(dir), "%s_STATE_DIR", name);
	snprintf(pid, sizeof(pid), "%s_PID", name);
	if (getenv(dir) && getenv(pid))
		return (struct witness_nfvd){ getenv(dir), atoi(getenv(pid)) };
	fprintf(stderr, "evil-vu: %s or %s is not set\n", dir, pid);
	exit(2);
}

int attach_anew(void **state)
{
	guest_down(&evil);
	json_decref(rpc("port.detach", json_pack("{s:s}", "name", "evil")));
	attach(&evil, "evil", getenv("NFVD_STATE_DIR"), MACS);
	guest_up(&evil, true);
	traffic_flows();
	return 0;
}

int before(void **state)
{
	witness_begin();
	mark();
	return 0;
}

int after(void **state)
{
	/* A test that failed half-way may have left anything: start afresh. */
	fuse_withhold(0);
	evil.f.wanted = evil_features;
	assert_int_equal(ftruncate(evil.f.memfd, evil.f.mem_bytes), 0);
	guest_again(&evil, true);
	guest_again(&peer, true);
	traffic_flows();
	sums_add_up();
	witness_check(*state);
	return 0;
}

int main(int argc, char **argv)
{
	const struct witness_nfvd nfvd = nfvd_of("NFVD"), control = nfvd_of("CONTROL");
	const char *state_dir = nfvd.state_dir, *what;
	static const char *const names[] = { "evil", "peer", "w0", "w1" };
	/* Only what depends on how guest memory is read. */
	bool memory = argc > 1 && !strcmp(argv[1], "--memory");
	int failed = 0, err;

	with_policy = argc > 1 && !strcmp(argv[1], "--policy");
	if (argc > 1 && !memory && !with_policy)
		cmocka_set_test_filter(argv[1]);
	signal(SIGPIPE, SIG_IGN);
	rpc_open(state_dir);
	guest_init(&evil, "evil", 0xee, evil_features);
	guest_init(&peer, "peer", 0xbb, VUF_NET_FEATURES);
	attach(&evil, "evil", state_dir, MACS);
	attach(&peer, "peer", state_dir, 0);
	attach(NULL, "w0", state_dir, 0);
	attach(NULL, "w1", state_dir, 0);
	err = witness_start(&nfvd, &control, &what);
	if (err) {
		fprintf(stderr, "evil-vu: the witness: %s: %s\n", what, strerror(-err));
		return 1;
	}
	guest_up(&evil, true);
	guest_up(&peer, true);
	traffic_flows();

	failed += chain_tests();
	failed += frame_tests();
	if (!with_policy)
		failed += ring_tests() + flip_tests() + mem_tests();
	if (!memory)
		failed += policy_tests();
	if (!memory && !with_policy)
		failed += flood_tests() + msg_tests() + sock_tests() + fds_tests() + own_tests() + crowd_tests() + holes_tests() + again_tests();

	witness_stop();
	guest_fini(&evil);
	guest_fini(&peer);
	for (unsigned int i = 0; i < 4; i++)
		json_decref(rpc("port.detach", json_pack("{s:s}", "name", names[i])));
	rpc_close();
	return failed ? 1 : 0;
}
