// SPDX-License-Identifier: GPL-2.0
/* An open /dev/nfv. */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include "check.h"
#include "compat.h"
#include "nfvk.h"

/* Free frames held for longer than held_ms, even if the daemon is stopped. Runs again while the session has ports. */
static void expire(struct work_struct *work)
{
	struct nfvk_session *s = container_of(to_delayed_work(work), struct nfvk_session, expire);
	bool any = false;

	for (u32 id = 0; id < NFV_PORTS_MAX; id++) {
		struct nfvk_port *port;

		rcu_read_lock();
		port = nfvk_port_get(s, id);
		for (unsigned int i = 0; port && i < port->nr_queues; i++)
			nfvk_queue_expire(&port->queue[i]);
		if (port && port->ops->expire)
			port->ops->expire(port);
		rcu_read_unlock();
		any |= !!port;
	}
	if (any)
		schedule_delayed_work(&s->expire, msecs_to_jiffies(nfvk_held_ms));
}

static int session_open(struct inode *inode, struct file *file)
{
	struct nfvk_session *s;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	s = kvzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock);
	mutex_init(&s->map_lock);
	init_waitqueue_head(&s->wait);
	INIT_DELAYED_WORK(&s->expire, expire);
	file->private_data = s;
	return nonseekable_open(inode, file);
}

static int session_release(struct inode *inode, struct file *file)
{
	struct nfvk_session *s = file->private_data;

	nfvk_port_detach_all(s);
	cancel_delayed_work_sync(&s->expire);
	nfvk_table_free(s);
	mutex_destroy(&s->lock);
	mutex_destroy(&s->map_lock);
	kvfree(s);
	return 0;
}

/* ---- calls ---- */

static long hello(struct nfvk_session *s, void __user *arg)
{
	struct nfv_hello h;
	u32 abi;

	if (copy_from_user(&h, arg, sizeof(h)))
		return -EFAULT;
	if (h.flags || memchr_inv(h.reserved, 0, sizeof(h.reserved)))
		return -EINVAL;
	abi = h.abi;
	h = (struct nfv_hello){
		.abi = NFV_ABI_VERSION, .ring_entries = nfvk_ring_entries,
		.held_kib = nfvk_held_kib, .held_ms = nfvk_held_ms,
	};
	if (copy_to_user(arg, &h, sizeof(h)))
		return -EFAULT;
	if (abi != NFV_ABI_VERSION)
		return -EPROTO;
	WRITE_ONCE(s->greeted, true);
	return 0;
}

static long attach(struct nfvk_session *s, void __user *arg)
{
	struct nfv_attach a;
	int err;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (!nfvk_attach_ok(&a, nfvk_ring_entries))
		return -EINVAL;
	err = nfvk_port_attach(s, &a);
	if (err)
		return err;
	if (copy_to_user(arg, &a, sizeof(a))) {
		nfvk_port_detach(s, a.port);
		return -EFAULT;
	}
	return 0;
}

static long detach(struct nfvk_session *s, void __user *arg)
{
	struct nfv_detach d;

	if (copy_from_user(&d, arg, sizeof(d)))
		return -EFAULT;
	return d.flags ? -EINVAL : nfvk_port_detach(s, d.port);
}

static long run_batch(struct nfvk_session *s, void __user *arg)
{
	struct nfv_batch b;

	if (copy_from_user(&b, arg, sizeof(b)))
		return -EFAULT;
	return nfvk_batch_ok(&b) ? nfvk_batch(s, &b) : -EINVAL;
}

static long get_stats(struct nfvk_session *s, void __user *arg)
{
	struct nfv_stats in, out = { 0 };
	int err;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	out.port = in.port;
	if (memchr_inv(&in.flags, 0, sizeof(in) - offsetof(struct nfv_stats, flags)))
		return -EINVAL;
	err = nfvk_port_stats(s, &out);
	if (err)
		return err;
	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

static long set_table(struct nfvk_session *s, void __user *arg)
{
	struct nfv_fdb_entry *entries;
	struct nfv_fdb f;
	int err;

	if (copy_from_user(&f, arg, sizeof(f)))
		return -EFAULT;
	if (f.flags || f.n > NFV_FDB_MAX)
		return -EINVAL;
	entries = kvmalloc_array(max(f.n, 1u), sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	if (copy_from_user(entries, u64_to_user_ptr(f.entries), f.n * sizeof(*entries)))
		err = -EFAULT;
	else
		err = nfvk_table_set(s, entries, f.n);
	if (!err && copy_to_user(u64_to_user_ptr(f.entries), entries, f.n * sizeof(*entries)))
		err = -EFAULT;
	kvfree(entries);
	return err;
}

static long get_forwarded(struct nfvk_session *s, void __user *arg)
{
	struct nfv_forwarded f;
	struct nfv_pair *to;
	int err;

	if (copy_from_user(&f, arg, sizeof(f)))
		return -EFAULT;
	if (f.flags || f.port >= NFV_PORTS_MAX)
		return f.flags ? -EINVAL : -ENOENT;
	to = kcalloc(NFV_PORTS_MAX + 1, sizeof(*to), GFP_KERNEL_ACCOUNT);
	if (!to)
		return -ENOMEM;
	err = nfvk_pairs_read(s, f.port, to);
	if (!err && copy_to_user(u64_to_user_ptr(f.to), to, (NFV_PORTS_MAX + 1) * sizeof(*to)))
		err = -EFAULT;
	kfree(to);
	return err;
}

static long session_ioctl(struct file *file, unsigned int cmd, unsigned long raw)
{
	struct nfvk_session *s = file->private_data;
	void __user *arg = (void __user *)raw;

	switch (cmd) {
	case NFV_IOC_HELLO:
		return hello(s, arg);
	case NFV_IOC_ATTACH:
	case NFV_IOC_DETACH:
	case NFV_IOC_BATCH:
	case NFV_IOC_STATS:
	case NFV_IOC_FDB:
	case NFV_IOC_FORWARDED:
		if (!READ_ONCE(s->greeted))
			return -EPROTO;
		break;
	default:
		return -ENOTTY;
	}
	switch (cmd) {
	case NFV_IOC_ATTACH:
		return attach(s, arg);
	case NFV_IOC_DETACH:
		return detach(s, arg);
	case NFV_IOC_BATCH:
		return run_batch(s, arg);
	case NFV_IOC_FDB:
		return set_table(s, arg);
	case NFV_IOC_FORWARDED:
		return get_forwarded(s, arg);
	default:
		return get_stats(s, arg);
	}
}

/* ---- mappings ---- */

/* Map pages of vmalloc_user(). They remain until they are unmapped, even when the port is freed before. */
static int map_queue(struct nfvk_queue *q, u32 what, struct vm_area_struct *vma)
{
	bool entries = what == NFV_MMAP_ENTRIES;
	size_t bytes = entries ? nfvk_queue_map_bytes(q->entries) : PAGE_SIZE;

	if (vma->vm_end - vma->vm_start != bytes)
		return -EINVAL;
	if (entries && vma->vm_flags & VM_WRITE)
		return -EACCES;
	nfvk_vm_flags(vma, VM_DONTCOPY, VM_MAYEXEC | (entries ? VM_MAYWRITE : 0));
	return remap_vmalloc_range(vma, entries ? q->map : q->user, 0);
}

static int session_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct nfvk_session *s = file->private_data;
	struct nfvk_port *port;
	u32 id, queue, what;
	int err = -EINVAL;

	if (!nfvk_mmap_split((u64)vma->vm_pgoff << PAGE_SHIFT, &id, &queue, &what) || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	mutex_lock(&s->map_lock);
	port = nfvk_port_get(s, id);
	if (port && queue < port->nr_queues)
		err = map_queue(&port->queue[queue], what, vma);
	mutex_unlock(&s->map_lock);
	return err;
}

static __poll_t attention(const struct nfvk_port *port)
{
	__poll_t mask = rcu_access_pointer(port->dev) ? 0 : EPOLLHUP;

	for (unsigned int i = 0; i < port->nr_queues; i++)
		if (READ_ONCE(port->queue[i].broken))
			mask |= EPOLLERR;
	return mask;
}

static __poll_t session_poll(struct file *file, poll_table *wait)
{
	struct nfvk_session *s = file->private_data;
	struct nfvk_port *port;
	__poll_t mask = 0;

	poll_wait(file, &s->wait, wait);
	rcu_read_lock();
	for (u32 id = 0; id < NFV_PORTS_MAX; id++) {
		port = nfvk_port_get(s, id);
		if (port)
			mask |= attention(port);
	}
	rcu_read_unlock();
	return mask;
}

const struct file_operations nfvk_fops = {
	.owner = THIS_MODULE,
	.open = session_open,
	.release = session_release,
	.unlocked_ioctl = session_ioctl,
	.mmap = session_mmap,
	.poll = session_poll,
};
