// SPDX-License-Identifier: GPL-2.0
/* The account of held frames' memory: the slow path, which takes from the session and gives back. See nfvk.h. */
#include "nfvk.h"

bool nfvk_account_take(struct nfvk_account *a, u32 bytes)
{
	long more = round_up(a->bytes + bytes - a->taken, NFVK_ACCOUNT_PIECE);

	if (atomic_long_add_return(more, &a->session->held) > (long)nfvk_held_mib << 20) {
		atomic_long_sub(more, &a->session->held);
		return false;
	}
	a->taken += more;
	return true;
}

static void leave_taken(struct nfvk_account *a, u64 left)
{
	atomic_long_sub(a->taken - left, &a->session->held);
	a->taken = left;
}

void nfvk_account_give(struct nfvk_account *a)
{
	leave_taken(a, a->bytes + NFVK_ACCOUNT_PIECE);
}

void nfvk_account_clear(struct nfvk_account *a)
{
	if (a->session)
		leave_taken(a, 0);
	*a = (struct nfvk_account){ 0 };
}
