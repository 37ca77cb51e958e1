/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of a calling process: bytes that the test provides, and nothing around them. */
#ifndef TEST_USER_H
#define TEST_USER_H

#include <sys/uio.h>
#include "net.h"

#undef READ
#undef WRITE
#define READ	0
#define WRITE	1
#define u64_to_user_ptr(a)	((void *)(uintptr_t)(a))
#define kcalloc(n, size, gfp)	kzalloc((n) * (size), gfp)
#define kvcalloc(n, size, gfp)	kzalloc((n) * (size), gfp)
#define vmalloc_user(bytes)	kzalloc(bytes, 0)
#define vfree(p)		free(p)

static struct { u8 *at; size_t n; } user;

static void user_touched(void);		/* defined by the test: called at each access, to change the memory */

static inline bool user_has(const void *p, size_t n)
{
	size_t off = (uintptr_t)p - (uintptr_t)user.at;

	user_touched();
	return off <= user.n && n <= user.n - off;
}

static inline void *memdup_user(const void *from, size_t n)
{
	void *to;

	if (!user_has(from, n))
		return ERR_PTR(-EFAULT);
	to = malloc(n);
	if (!to)
		return ERR_PTR(-ENOMEM);
	memcpy(to, from, n);
	return to;
}

#define put_user(v, p)	(user_has(p, sizeof(*(p))) ? (memcpy((void *)(p), &(v), sizeof(*(p))), 0) : -EFAULT)

struct iov_iter {
	const struct iovec *iov;
	size_t count;
};

#define iov_iter_count(i)	((i)->count)

/* Copy the vectors to private memory; limit their sum as the kernel does. */
static inline int import_iovec(int rw, const void *from, unsigned int n, unsigned int fast_n, struct iovec **iov, struct iov_iter *iter)
{
	struct iovec *to = n <= fast_n ? *iov : malloc(n * sizeof(*to));
	size_t sum = 0;

	if (!to)
		return -ENOMEM;
	if (!user_has(from, n * sizeof(*to))) {
		if (to != *iov)
			free(to);
		*iov = NULL;
		return -EFAULT;
	}
	memcpy(to, from, n * sizeof(*to));
	for (unsigned int i = 0; i < n; i++) {
		if ((ssize_t)to[i].iov_len < 0) {
			if (to != *iov)
				free(to);
			*iov = NULL;
			return -EINVAL;
		}
		if (to[i].iov_len > (size_t)0x7ffff000 - sum)
			to[i].iov_len = (size_t)0x7ffff000 - sum;
		sum += to[i].iov_len;
	}
	*iter = (struct iov_iter){ to, sum };
	*iov = n <= fast_n ? NULL : to;
	return 0;
}

/* Return the contiguous bytes at off of a buffer whose payload is in this process. */
static inline u8 *skb_piece(const struct sk_buff *skb, u32 off, u32 *n)
{
	u32 linear = skb_headlen(skb);

	if (off < linear) {
		*n = *n < linear - off ? *n : linear - off;
		return skb->data + off;
	}
	off -= linear;
	for (unsigned int i = 0; i < skb->info.nr_frags; off -= skb->info.frags[i++].len)
		if (off < skb->info.frags[i].len) {
			*n = *n < skb->info.frags[i].len - off ? *n : skb->info.frags[i].len - off;
			return skb->info.frags[i].at + off;
		}
	abort();	/* its payload is not here */
}

static inline int skb_copy_user(const struct sk_buff *skb, u32 off, struct iov_iter *iter, u32 n, bool to_user)
{
	const struct iovec *v = iter->iov;
	size_t at = 0;

	while (n) {
		u32 part = n;
		u8 *here, *there;

		while (at == v->iov_len) {
			v++;
			at = 0;
		}
		if (part > v->iov_len - at)
			part = v->iov_len - at;
		here = skb_piece(skb, off, &part);
		/* Any address. */
		there = (u8 *)((uintptr_t)v->iov_base + at);
		if (!user_has(there, part))
			return -EFAULT;
		memcpy(to_user ? there : here, to_user ? here : there, part);
		at += part;
		off += part;
		n -= part;
	}
	return 0;
}

#define skb_copy_datagram_iter(skb, off, iter, n)	skb_copy_user(skb, off, iter, n, true)
#define skb_copy_datagram_from_iter(skb, off, iter, n)	skb_copy_user(skb, off, iter, n, false)

static inline int skb_copy_bits(const struct sk_buff *skb, u32 off, void *to, u32 n)
{
	for (u32 part; n; n -= part, off += part, to = (u8 *)to + part) {
		part = n;
		memcpy(to, skb_piece(skb, off, &part), part);
	}
	return 0;
}

/* As in the kernel: replace the caller's reference by an exclusive one. */
static inline struct sk_buff *skb_share_check(struct sk_buff *skb, gfp_t gfp)
{
	struct sk_buff *copy;

	if (!skb_shared(skb))
		return skb;
	require(!skb->destructor);
	copy = alloc_skb_with_frags(skb->end, skb->data_len, 3, &(int){ 0 }, gfp);
	skb_reserve(copy, skb_headroom(skb));
	skb_put(copy, skb_headlen(skb));
	copy->len = skb->len;
	copy->data_len = skb->data_len;
	copy->ip_summed = skb->ip_summed;
	copy->tagged = skb->tagged;
	copy->csum_start = skb->csum_start;
	copy->csum_offset = skb->csum_offset;
	for (u32 off = 0, part; off < skb->len; off += part) {
		u32 room = skb->len - off;
		u8 *to = skb_piece(copy, off, &room);

		part = room;
		memcpy(to, skb_piece(skb, off, &part), part);
	}
	kfree_skb(skb);
	return copy;
}

static inline int skb_ensure_writable(struct sk_buff *skb, u32 n)
{
	u32 linear = skb_headlen(skb);

	if (n <= linear)
		return 0;
	/* The linear part has room for it, by the test. */
	require(skb->tail + (n - linear) <= skb->end && n <= skb->len);
	skb_copy_bits(skb, linear, skb->head + skb->tail, n - linear);
	for (u32 left = n - linear; left;) {
		skb_frag_t *f = &skb->info.frags[0];
		u32 part = left < f->len ? left : f->len;

		memmove(f->at, f->at + part, f->len - part);
		f->len -= part;
		left -= part;
		if (!f->len) {
			free(f->at);
			memmove(f, f + 1, --skb->info.nr_frags * sizeof(*f));
		}
	}
	skb->tail += n - linear;
	skb->data_len -= n - linear;
	return 0;
}

#endif
