// SPDX-License-Identifier: BSD-3-Clause
#include "library.h"

#include <dlfcn.h>

int library_open(const char *name, const struct library_function *functions, struct ctl_err *err)
{
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);

	for (; library && functions->name; functions++) {
		*functions->to = dlsym(library, functions->name);
		if (!*functions->to)
			library = NULL;
	}
	return library ? CTL_OK : ctl_fail(err, NFV_RPC_E_FAILED, "cannot open a library that this command needs: %s", dlerror());
}
