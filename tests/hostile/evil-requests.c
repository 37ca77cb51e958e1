/* SPDX-License-Identifier: BSD-3-Clause */
/* evil-ctl: requests that are malformed, or cannot be fulfilled. Group P of the hostile cases. */
#include "evil-ctl.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <nfv/rpc.h>

struct bad {
	const char *name;
	const char *text;	/* NUL-terminated, without newline */
	size_t len;		/* 0: strlen(text) */
	int code;
	const char *words;	/* in the message */
	bool closes;
};

#define ATTACH(params)		REQUEST("port.attach", params)
#define LONG_NAME		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct bad bads[] = {
	/* P1 */
	{ "truncated", "{\"jsonrpc\":\"2.0\",\"id\":1,\"meth", 0, NFV_RPC_E_PARSE, "at byte", false },
	{ "empty line", "", 0, NFV_RPC_E_PARSE, "at byte 0", false },
	{ "NUL", "{\"a\":\"\0\"}", 9, NFV_RPC_E_PARSE, "at byte 6", false },
	{ "escaped NUL", "{\"a\":\"\\u0000\"}", 0, NFV_RPC_E_PARSE, "at byte", false },
	{ "bad UTF-8", "{\"a\":\"\xff\xfe\"}", 0, NFV_RPC_E_PARSE, "at byte 6", false },
	{ "overlong UTF-8", "{\"a\":\"\xc0\xaf\"}", 0, NFV_RPC_E_PARSE, "at byte 6", false },
	{ "duplicate key", REQUEST("port.list", "{\"name\":\"a\",\"name\":\"b\"}"), 0, NFV_RPC_E_PARSE, "duplicate", false },
	{ "1e999", REQUEST("events.get", "{\"since\":1e999}"), 0, NFV_RPC_E_PARSE, "overflow", false },
	{ "integer beyond 64 bits", REQUEST("events.get", "{\"since\":99999999999999999999}"), 0, NFV_RPC_E_PARSE, "at byte", false },
	{ "two requests in a line", "{}{}", 0, NFV_RPC_E_PARSE, "at byte", false },
	{ "batch", "[{}]", 0, NFV_RPC_E_REQUEST, "batch", false },
	{ "no id", "{\"jsonrpc\":\"2.0\",\"method\":\"daemon.info\"}", 0, NFV_RPC_E_REQUEST, "'id'", false },
	{ "id null", "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"daemon.info\"}", 0, NFV_RPC_E_REQUEST, "'id'", false },
	{ "old version", "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"daemon.info\"}", 0, NFV_RPC_E_REQUEST, "'jsonrpc'", false },
	{ "params array", REQUEST("daemon.info", "[]"), 0, NFV_RPC_E_REQUEST, "'params'", false },
	/* P3 */
	{ "unknown member", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.info\",\"extra\":1}", 0, NFV_RPC_E_REQUEST, "'extra'", false },
	{ "unknown method", REQUEST("port.destroy", "{}"), 0, NFV_RPC_E_METHOD, "'port.destroy'", false },
	{ "method prefix", REQUEST("port.", "{}"), 0, NFV_RPC_E_METHOD, "'port.'", false },
	{ "unknown parameter", REQUEST("port.list", "{\"nmae\":\"a\"}"), 0, NFV_RPC_E_PARAMS, "'nmae'", false },
	{ "attach without anything", ATTACH("{}"), 0, NFV_RPC_E_PARAMS, "'name'", false },
	{ "attach unknown type", ATTACH("{\"type\":\"atm\",\"name\":\"a\"}"), 0, NFV_RPC_E_PARAMS, "'atm'", false },
	{ "attach type number", ATTACH("{\"type\":7,\"name\":\"a\"}"), 0, NFV_RPC_E_PARAMS, "'type'", false },
	{ "attach unknown field", ATTACH("{\"type\":\"kvm\",\"name\":\"a\",\"colour\":1}"), 0, NFV_RPC_E_PARAMS, "'colour'", false },
	{ "attach queues string", ATTACH("{\"type\":\"kvm\",\"name\":\"a\",\"queues\":\"2\"}"), 0, NFV_RPC_E_PARAMS, "'queues'", false },
	{ "attach queues -1", ATTACH("{\"type\":\"kvm\",\"name\":\"a\",\"queues\":-1}"), 0, NFV_RPC_E_PARAMS, "'queues'", false },
	{ "attach queues 2^32+1", ATTACH("{\"type\":\"kvm\",\"name\":\"a\",\"queues\":4294967297}"), 0, NFV_RPC_E_PARAMS, "'queues'", false },
	{ "attach mode unknown", ATTACH("{\"type\":\"kvm\",\"name\":\"a\",\"mode\":\"peer\"}"), 0, NFV_RPC_E_PARAMS, "'mode'", false },
	{ "attach macs 0", ATTACH("{\"type\":\"kvm\",\"name\":\"a\",\"macs\":0}"), 0, NFV_RPC_E_PARAMS, "'macs'", false },
	{ "attach socket relative", ATTACH("{\"type\":\"kvm\",\"name\":\"a\",\"socket\":\"x.sock\"}"), 0, NFV_RPC_E_PARAMS, "'socket'", false },
	{ "attach veth without dev", ATTACH("{\"type\":\"veth\",\"name\":\"a\"}"), 0, NFV_RPC_E_PARAMS, "'dev'", false },
	{ "attach veth dev number", ATTACH("{\"type\":\"veth\",\"name\":\"a\",\"dev\":1}"), 0, NFV_RPC_E_PARAMS, "'dev'", false },
	{ "detach name array", REQUEST("port.detach", "{\"name\":[]}"), 0, NFV_RPC_E_PARAMS, "'name'", false },
	{ "shortcut on string", REQUEST("shortcut.set", "{\"on\":\"yes\"}"), 0, NFV_RPC_E_PARAMS, "'on'", false },
	{ "drops all number", REQUEST("drops.get", "{\"all\":1}"), 0, NFV_RPC_E_PARAMS, "'all'", false },
	{ "events since negative", REQUEST("events.get", "{\"since\":-1}"), 0, NFV_RPC_E_PARAMS, "'since'", false },
	/* P8 */
	{ "name ../x", ATTACH("{\"type\":\"kvm\",\"name\":\"../x\"}"), 0, NFV_RPC_E_PARAMS, "name", false },
	{ "name ..", ATTACH("{\"type\":\"kvm\",\"name\":\"..\"}"), 0, NFV_RPC_E_PARAMS, "name", false },
	{ "name empty", ATTACH("{\"type\":\"kvm\",\"name\":\"\"}"), 0, NFV_RPC_E_PARAMS, "name", false },
	{ "name with newline", ATTACH("{\"type\":\"kvm\",\"name\":\"a\\nb\"}"), 0, NFV_RPC_E_PARAMS, "name", false },
	{ "name of 256 characters", ATTACH("{\"type\":\"kvm\",\"name\":\"" LONG_NAME LONG_NAME LONG_NAME LONG_NAME "\"}"), 0, NFV_RPC_E_PARAMS, "name", false },
	{ "name of 32 characters", ATTACH("{\"type\":\"kvm\",\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"), 0, NFV_RPC_E_PARAMS, "name", false },
	{ "name -rf", ATTACH("{\"type\":\"kvm\",\"name\":\"-rf\"}"), 0, NFV_RPC_E_PARAMS, "name", false },
	{ "name %n", ATTACH("{\"type\":\"kvm\",\"name\":\"%n%s%x\"}"), 0, NFV_RPC_E_PARAMS, "name", false },
	{ "name look-alike", ATTACH("{\"type\":\"kvm\",\"name\":\"v\xd0\xb0m\"}"), 0, NFV_RPC_E_PARAMS, "name", false },
	{ "name with a slash", ATTACH("{\"type\":\"kvm\",\"name\":\"a/b\"}"), 0, NFV_RPC_E_PARAMS, "name", false },
};

static void send_bad(const struct bad *b)
{
	long before = counter("ctl_bad_request"), after;
	char line[4096], why[512];
	int fd = dial();

	say(fd, b->text, b->len ? b->len : strlen(b->text));
	say(fd, "\n", 1);
	if (hear(fd, line, sizeof(line), PROMPT_MS) <= 0)
		snprintf(why, sizeof(why), "no reply");
	else
		wrong_reply(line, b->code, b->words, why, sizeof(why));
	if (!why[0] && !b->closes) {	/* the connection must still work */
		json_t *reply = ask_on(fd, "daemon.info", NULL);

		if (!json_object_get(reply, "result"))
			snprintf(why, sizeof(why), "the next request on the connection fails");
		json_decref(reply);
	} else if (!why[0] && !closed(fd, PROMPT_MS)) {
		snprintf(why, sizeof(why), "not disconnected");
	}
	close(fd);
	after = counter("ctl_bad_request");
	if (!why[0] && after != before + 1)
		snprintf(why, sizeof(why), "ctl_bad_request moved by %ld", after - before);
	if (!why[0] && ports() != ports_before)
		snprintf(why, sizeof(why), "a port came into being");
	verdict(b->name, "%s", why);
}

void bad_requests(void)
{
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
		send_bad(&bads[i]);
}
