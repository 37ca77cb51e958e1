/* SPDX-License-Identifier: BSD-3-Clause */
#include "evil-ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

unsigned int failures;
size_t ports_before;

void verdict(const char *name, const char *fmt, ...)
{
	char why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	why[strcspn(why, "\n")] = '\0';
	if (why[0]) {
		failures++;
		printf("not ok - %s: %s\n", name, why);
	} else {
		printf("ok - %s\n", name);
	}
	fflush(stdout);
}

size_t ports(void)
{
	json_t *list = ask("port.list", NULL);
	size_t n = json_array_size(json_object_get(list, "ports"));

	json_decref(list);
	return n;
}

const char *wrong_reply(const char *line, int code, const char *words, char *buf, size_t size)
{
	json_t *reply = json_loads(line, 0, NULL), *error = json_object_get(reply, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	long got = (long)json_integer_value(json_object_get(error, "code"));

	buf[0] = '\0';
	if (!message)
		snprintf(buf, size, "no error but %.200s", line);
	else if (got != code)
		snprintf(buf, size, "code %ld: %s", got, message);
	else if (!strstr(message, words))
		snprintf(buf, size, "'%s' does not say '%s'", message, words);
	else if (strpbrk(message, "\n\r\033"))
		snprintf(buf, size, "the message is not one plain line");
	json_decref(reply);
	return buf;
}
