/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of nfvd's control socket, byte by byte. */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <jansson.h>

#define PATIENCE_MS	(NFV_RPC_TIMEOUT_MS + 5000)	/* beyond every time-out of nfvd's */

extern const char *socket_path;

int64_t now_ms(void);

/* Return a connection to nfvd; without one the program ends. */
int dial(void);
/* Send len bytes. If nfvd closes the connection meanwhile, its replies can still be read. */
void say(int fd, const void *data, size_t len);
/* Read one line into buf. Return its length, 0 when the connection ends before, -1 when time is up. */
ssize_t hear(int fd, char *buf, size_t size, int timeout_ms);
/* Return whether nfvd closes the connection in time. */
bool closed(int fd, int timeout_ms);

/* Return the reply to a well-behaved request on fd, or NULL. params may be NULL. */
json_t *ask_on(int fd, const char *method, json_t *params);
/* Return the result of a request on a new connection; without one the program ends. */
json_t *ask(const char *method, json_t *params);
/* Return nfvd's counter of this name, of its control socket. */
long counter(const char *name);
long counter_in(json_t *drops, const char *name);	/* in a result of drops.get */

#endif
