/* SPDX-License-Identifier: BSD-3-Clause */
/* The unikernel's virtio driver against a hostile device. */
#include <stdlib.h>
#include "virtio_ring.c"
#include "virtio_net.c"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include "fake_console.h"

#define HEADER	sizeof(struct virtio_net_hdr_v1)

static unsigned int resets, frames, copies_alive;
static uint64_t offered;
static struct pbuf *kept;	/* what lwIP holds on to */
static bool keep;
static uint16_t last_tot_len;
uint8_t last_sum;
static bool last_csum_ok;

/* --- lwIP --- */

struct pbuf *pbuf_alloced_custom(pbuf_layer layer, uint16_t length, pbuf_type type, struct pbuf_custom *p,
				 void *payload, uint16_t payload_bytes)
{
	(void)layer;
	(void)type;
	assert_true(length <= payload_bytes);
	p->pbuf = (struct pbuf){
		.payload = payload, .tot_len = length, .len = length, .ref = 1, .release = p->custom_free_function,
	};
	return &p->pbuf;
}

static void free_copy(struct pbuf *p)
{
	copies_alive--;
	free(p);
}

struct pbuf *pbuf_clone(pbuf_layer layer, pbuf_type type, struct pbuf *p)
{
	struct pbuf *copy = malloc(sizeof(*copy));

	(void)layer;
	(void)type;
	copies_alive++;
	*copy = (struct pbuf){ .tot_len = p->tot_len, .len = p->tot_len, .ref = 1, .release = free_copy };
	return copy;
}

void pbuf_cat(struct pbuf *head, struct pbuf *tail)
{
	for (; head->next; head = head->next)
		head->tot_len += tail->tot_len;
	head->tot_len += tail->tot_len;
	head->next = tail;
}

void pbuf_ref(struct pbuf *p)
{
	p->ref++;
}

uint8_t pbuf_free(struct pbuf *p)
{
	while (p) {
		struct pbuf *next = p->next;

		assert_true(p->ref > 0);
		if (--p->ref)
			break;
		p->release(p);
		p = next;
	}
	return 0;
}

/* Read all bytes of the frame, so that the sanitizer reports memory outside it. */
void net_input(struct pbuf *frame, bool csum_ok)
{
	unsigned int total = 0;
	struct pbuf *p;

	for (p = frame; p; p = p->next) {
		total += p->len;
		for (unsigned int i = 0; p->payload && i < p->len; i++)
			last_sum += ((const uint8_t *)p->payload)[i];
	}
	assert_int_equal(total, frame->tot_len);
	frames++;
	last_tot_len = frame->tot_len;
	last_csum_ok = csum_ok;
	if (keep && !kept)
		kept = frame;
	else
		pbuf_free(frame);
}

void net_tx_ready(void)
{
}

/* --- the machine --- */

void *memory_take(size_t bytes)
{
	static _Alignas(PAGE_BYTES) uint8_t memory[RX_BUFS * sizeof(struct rx_buf)];

	assert_true(bytes <= sizeof(memory));
	return memory;
}

static uint8_t device_status;

static uint64_t fake_features(void)
{
	return offered;
}

static void fake_accept(uint64_t accepted)
{
	assert_int_equal(accepted & ~offered, 0);
}

static uint8_t fake_status(void)
{
	return device_status;
}

static void fake_set_status(uint8_t status)
{
	device_status = status;
	resets += !status;
}

static void fake_config(unsigned int offset, uint8_t *to, unsigned int length)
{
	while (length--)
		*to++ = (uint8_t)offset++;
}

static uint16_t fake_queue_size(uint16_t queue)
{
	(void)queue;
	return 200;	/* not a power of two: 128 are used */
}

static void fake_queue_start(uint16_t queue, uint16_t size, const void *desc, const void *avail, const void *used)
{
	(void)queue;
	(void)desc;
	(void)avail;
	(void)used;
	assert_int_equal(size, 128);
}

static void fake_notify(uint16_t queue)
{
	(void)queue;
}

static void fake_irq_ack(void)
{
}

static const struct virtio_transport fake = {
	fake_features, fake_accept, fake_status, fake_set_status, fake_config,
	fake_queue_size, fake_queue_start, fake_notify, fake_irq_ack,
};

const struct virtio_transport *virtio_mmio_find(uint32_t device, const char *cmdline)
{
	(void)device;
	(void)cmdline;
	return &fake;
}

const struct virtio_transport *virtio_pci_find(uint32_t device)
{
	(void)device;
	return NULL;
}

/* --- the device --- */

static const struct netdev_offload nothing;

static int setup(void **state)
{
	struct netdev_info info;

	(void)state;
	memset(&rx, 0, sizeof(rx));
	memset(&tx, 0, sizeof(tx));
	memset(rx_posted, 0, sizeof(rx_posted));
	broken = tx_stalled = keep = false;
	rx_free = NULL;
	rx_n_free = 0;
	kept = NULL;
	offered = ~0ull;
	virtio_net.open("", &info);
	resets = lines = frames = 0;
	return 0;
}

static void use(struct virtq *q, uint32_t id, uint32_t length)
{
	q->used.ring[q->used.idx++ & (q->size - 1)] = (struct vring_used_elem){ id, length };
}

static void set_header(unsigned int id, uint8_t flags, uint16_t buffers)
{
	struct virtio_net_hdr_v1 header = { .flags = flags, .num_buffers = buffers };

	memcpy((void *)(uintptr_t)rx.desc[id].addr, &header, sizeof(header));
}

/* Check that each buffer is in exactly one place. */
static void assert_buffers(unsigned int with_lwip)
{
	unsigned int posted = 0, listed = 0;
	struct rx_buf *buf;

	for (unsigned int i = 0; i < rx.size; i++)
		posted += rx.parts[i] == 1;
	for (buf = rx_free; buf; buf = buf->next)
		listed++;
	assert_int_equal(listed, rx_n_free);
	assert_int_equal(posted + listed + with_lwip, RX_BUFS);
}

static void assert_stopped(void)
{
	struct pbuf frame = { .ref = 1 };

	virtio_net.poll(64);
	assert_true(broken);
	assert_int_equal(resets, 1);
	assert_int_equal(lines, 1);
	assert_int_equal(virtio_net.poll(64), 0);
	assert_false(virtio_net.ready());
	assert_false(virtio_net.send(&frame, &nothing));
	assert_int_equal(lines, 1);
}

static void test_frame(void **state)
{
	(void)state;
	set_header(3, VIRTIO_NET_HDR_F_DATA_VALID, 1);
	use(&rx, 3, HEADER + 60);
	assert_true(virtio_net.ready());
	assert_int_equal(virtio_net.poll(64), 1);
	assert_int_equal(last_tot_len, 60);
	assert_true(last_csum_ok);
	assert_false(broken);
	assert_false(virtio_net.ready());
	assert_buffers(0);
}

static void test_merged(void **state)
{
	(void)state;
	set_header(5, 0, 3);
	use(&rx, 5, RX_BUF_BYTES);
	use(&rx, 1, RX_BUF_BYTES);
	use(&rx, 9, 100);
	assert_int_equal(virtio_net.poll(64), 1);
	assert_int_equal(last_tot_len, 2 * RX_BUF_BYTES - HEADER + 100);
	assert_false(last_csum_ok);
	assert_buffers(0);
}

static void test_larger_than_a_frame(void **state)
{
	(void)state;
	set_header(0, 0, 20);
	for (unsigned int i = 0; i < 20; i++)
		use(&rx, i, RX_BUF_BYTES);
	virtio_net.poll(64);
	assert_int_equal(frames, 0);
	assert_false(broken);
	assert_buffers(0);
}

/* lwIP keeps one frame for ever: the driver copies frames when few buffers are left. */
static void test_copies(void **state)
{
	(void)state;
	keep = true;
	rx_n_free -= rx_n_free - 1;
	rx_free->next = NULL;
	set_header(7, 0, 1);
	use(&rx, 7, HEADER + 60);
	virtio_net.poll(64);
	assert_non_null(kept);
	assert_int_equal(copies_alive, 1);
	pbuf_free(kept);
	assert_int_equal(copies_alive, 0);
}

static void test_idx_too_far(void **state)
{
	(void)state;
	rx.used.idx = rx.size + 1;
	assert_stopped();
}

static void test_id_out_of_range(void **state)
{
	(void)state;
	use(&rx, 128, HEADER + 60);
	assert_stopped();
}

static void test_id_huge(void **state)
{
	(void)state;
	use(&rx, UINT32_MAX, HEADER + 60);
	assert_stopped();
}

static void test_id_twice(void **state)
{
	(void)state;
	set_header(3, 0, 1);
	use(&rx, 3, HEADER + 60);
	use(&rx, 3, HEADER + 60);
	assert_stopped();
	assert_int_equal(frames, 1);
}

static void test_length_too_large(void **state)
{
	(void)state;
	use(&rx, 3, RX_BUF_BYTES + 1);
	assert_stopped();
	assert_buffers(0);
}

static void test_length_too_small(void **state)
{
	(void)state;
	use(&rx, 3, HEADER);
	assert_stopped();
	assert_buffers(0);
}

static void test_no_buffers(void **state)
{
	(void)state;
	set_header(3, 0, 0);
	use(&rx, 3, HEADER + 60);
	assert_stopped();
	assert_buffers(0);
}

static void test_buffers_missing(void **state)
{
	(void)state;
	set_header(3, 0, 3);
	use(&rx, 3, HEADER + 60);
	use(&rx, 4, 60);
	assert_stopped();
	assert_buffers(0);
}

static void test_merged_empty(void **state)
{
	(void)state;
	set_header(3, 0, 2);
	use(&rx, 3, HEADER + 60);
	use(&rx, 4, 0);
	assert_stopped();
	assert_buffers(0);
}

static const struct netdev_offload super = {
	.csum_start = 34, .csum_offset = 16, .segment_bytes = 1460, .header_bytes = 54,
};

static void freed(struct pbuf *p)
{
	frames += p->tot_len;
}

static void test_send(void **state)
{
	uint8_t data[60];
	struct pbuf frame = { .payload = data, .len = 60, .tot_len = 60, .ref = 1, .release = freed };
	uint16_t head;

	(void)state;
	assert_true(virtio_net.send(&frame, &super));
	virtio_net.flush();
	head = tx.avail.ring[0];
	assert_int_equal(tx.avail.idx, 1);
	assert_int_equal(tx.desc[head].len, HEADER);
	assert_int_equal(tx_headers[head].csum_start, 34);
	assert_int_equal(tx_headers[head].gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(tx_headers[head].gso_size, 1460);
	assert_int_equal(tx.desc[tx.desc[head].next].len, 60);
	assert_int_equal(frame.ref, 2);
	pbuf_free(&frame);
	use(&tx, head, 0);
	virtio_net.poll(64);
	assert_int_equal(frames, 60);
	assert_int_equal(tx.n_free, tx.size);
}

static void test_sent_twice(void **state)
{
	uint8_t data[60];
	struct pbuf frame = { .payload = data, .len = 60, .tot_len = 60, .ref = 1, .release = freed };

	(void)state;
	assert_true(virtio_net.send(&frame, &nothing));
	virtio_net.flush();
	use(&tx, tx.avail.ring[0], 0);
	use(&tx, tx.avail.ring[0], 0);
	assert_stopped();
	assert_int_equal(frame.ref, 1);
}

static void test_full(void **state)
{
	uint8_t data[60];
	struct pbuf frame = { .payload = data, .len = 60, .tot_len = 60, .ref = 1, .release = freed };
	unsigned int n = 0;

	(void)state;
	while (virtio_net.send(&frame, &nothing))
		n++;
	assert_int_equal(n, 64);
	assert_true(tx_stalled);
	virtio_net.flush();
	assert_false(virtio_net.ready());
	for (unsigned int i = 0; i < n; i++)
		use(&tx, tx.avail.ring[i], 0);
	assert_true(virtio_net.ready());
	virtio_net.poll(64);
	assert_false(tx_stalled);
	assert_int_equal(frame.ref, 1);
}

/* Mostly plausible values: others would end the driver early. */
static void test_random(void **state)
{
	srand(1);
	for (unsigned int round = 0; round < 20000; round++) {
		unsigned int n = (unsigned int)rand() % 6;

		while (n--) {
			uint32_t id = rand() % 50 ? (uint32_t)rand() % rx.size : (uint32_t)rand();

			set_header(id % rx.size, (uint8_t)rand(), rand() % 20 ? 1 : (uint16_t)(rand() % 40));
			use(&rx, id, rand() % 50 ? HEADER + 1 + (uint32_t)rand() % 1500 : (uint32_t)rand());
		}
		if (!(rand() % 500))
			rx.used.idx = (uint16_t)rand();
		virtio_net.poll(1 + (unsigned int)rand() % 8);
		virtio_net.flush();
		assert_buffers(0);
		if (broken) {
			assert_stopped();
			setup(state);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_frame, setup),
		cmocka_unit_test_setup(test_merged, setup),
		cmocka_unit_test_setup(test_larger_than_a_frame, setup),
		cmocka_unit_test_setup(test_copies, setup),
		cmocka_unit_test_setup(test_idx_too_far, setup),
		cmocka_unit_test_setup(test_id_out_of_range, setup),
		cmocka_unit_test_setup(test_id_huge, setup),
		cmocka_unit_test_setup(test_id_twice, setup),
		cmocka_unit_test_setup(test_length_too_large, setup),
		cmocka_unit_test_setup(test_length_too_small, setup),
		cmocka_unit_test_setup(test_no_buffers, setup),
		cmocka_unit_test_setup(test_buffers_missing, setup),
		cmocka_unit_test_setup(test_merged_empty, setup),
		cmocka_unit_test_setup(test_send, setup),
		cmocka_unit_test_setup(test_sent_twice, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
