// SPDX-License-Identifier: BSD-3-Clause
/*
 * attach and detach. The grammar is that of <nfv/params.h>; nfvd checks what the arguments mean.
 */
#include <stdio.h>
#include <string.h>
#include "ctl.h"

/* "open 0.1, bind 0.3" from {"open": 100, "bind": 300}. */
static void steps_text(json_t *steps, char *buf, size_t size)
{
	const char *key;
	json_t *us;
	size_t n = 0;

	buf[0] = '\0';
	json_object_foreach(steps, key, us) {
		n += (size_t)snprintf(buf + n, size - n, "%s%s %.1f", n ? ", " : " (", key,
				      (double)json_integer_value(us) / 1000);
		if (n >= size)
			return;
	}
	if (n)
		snprintf(buf + n, size - n, ")");
}

static int attach(const char *type, unsigned int taker, int argc, char **argv, struct ctl_err *err)
{
	struct ctl_arg args[NFV_N_PARAMS];
	json_t *params, *port;
	const char *state, *path, *why, *hint;
	char steps[256];
	int rc;

	if (!argc)
		return ctl_usage(err, "NAME is missing");
	snprintf(err->object, sizeof(err->object), "%s", argv[0]);
	params = json_pack("{ss ss}", "type", type, "name", argv[0]);
	args_of_params(taker, args);
	rc = args_parse(argc - 1, argv + 1, args, params, err);
	if (rc) {
		json_decref(params);
		return rc;
	}
	port = rpc_call("port.attach", params, err);
	if (!port)
		return CTL_FAILED;

	steps_text(out_member(port, "attach_breakdown|attach_steps"), steps, sizeof(steps));
	state = json_string_value(json_object_get(port, "state"));
	path = json_string_value(json_object_get(port, "socket"));
	why = json_string_value(json_object_get(port, "why"));
	hint = json_string_value(json_object_get(port, "hint"));
	if (!json_object_get(port, "id"))
		out_text(port, "%s: %s is kept, and attached as soon as it can be; now: %s", argv[0], type, why);
	else
		out_text(port, "%s: %s attached in %.1f ms%s%s%s%s%s%s%s", argv[0], type,
			 (double)json_integer_value(json_object_get(port, "attach_us")) / 1000, steps,
			 state ? ", " : "", state ? state : "", path ? " at " : "", path ? path : "", why ? ": " : "", why ? why : "");
	if (hint && !ctl_json && json_object_get(port, "id"))
		out_line("  try: %s", hint);
	json_decref(port);
	return CTL_OK;
}

#define X(e, type, help)						\
	int cmd_attach_##type(int argc, char **argv, struct ctl_err *err) \
	{								\
		return attach(#type, NFV_##e, argc, argv, err);		\
	}
NFV_PORT_TYPES(X)
#undef X

int cmd_detach(int argc, char **argv, struct ctl_err *err)
{
	json_t *params, *result;

	if (argc != 1)
		return ctl_usage(err, "one NAME is needed");
	snprintf(err->object, sizeof(err->object), "%s", argv[0]);
	params = json_pack("{ss}", "name", argv[0]);
	result = rpc_call("port.detach", params, err);
	if (!result)
		return CTL_FAILED;
	out_text(result, "%s: detached", argv[0]);
	json_decref(result);
	return CTL_OK;
}
