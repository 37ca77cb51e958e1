// SPDX-License-Identifier: BSD-3-Clause
/*
 * Errors of a command; and what the command line has said for all of them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <nfv/text.h>
#include "ctl.h"

const char *ctl_state_dir = NFV_STATE_DIR;
bool ctl_json, ctl_pretty;

static void vset(char *buf, size_t size, const char *fmt, va_list ap)
{
	vsnprintf(buf, size, fmt, ap);
	nfv_text_clean(buf);
}

int ctl_fail(struct ctl_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	err->code = code;
	err->hint[0] = '\0';
	return CTL_FAILED;
}

int ctl_usage(struct ctl_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	err->code = NFV_RPC_E_PARAMS;
	return CTL_USAGE;
}

void ctl_hint(struct ctl_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}
