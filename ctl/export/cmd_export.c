// SPDX-License-Identifier: BSD-3-Clause
/*
 * Metrics over HTTP, for Prometheus.
 *
 * Clients may be slow or many. There are at most CONNECTIONS of them. Each has DEADLINE_MS for its response, and
 * takes a few KiB of memory besides. Requests within FRESH_MS get the same text, so nfvd is asked at most ten times a
 * second. If there are PAGES texts that are still being sent, the oldest is given up, because its readers have had
 * their time.
 */
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "ctl.h"
#include "export/metrics.h"
#include "library.h"

#define DEFAULT_LISTEN	"127.0.0.1:9477"
#define CONNECTIONS	1024
#define PAGES		16
#define MEMORY		8192	/* bytes of one connection's request */
#define DEADLINE_MS	10000
#define FRESH_MS	100
#define NFVD_MS		2000	/* for its response */
#define TYPE_OPEN	"application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TYPE_PLAIN	"text/plain; version=0.0.4; charset=utf-8"

#define FUNCTIONS(X) \
	X(MHD_add_response_header) X(MHD_queue_response) X(MHD_destroy_response) X(MHD_create_response_from_buffer) \
	X(MHD_create_response_from_callback) X(MHD_lookup_connection_value) X(MHD_start_daemon) X(MHD_stop_daemon)

static struct { FUNCTIONS(LIBRARY_POINTER) } lib;
static const struct library_function functions[] = {
	FUNCTIONS(LIBRARY_FUNCTION)
	{ NULL, NULL }
};

/* A text, shared by all who are being sent it. */
struct page {
	struct page *older;
	unsigned int users;
	bool openmetrics;
	double made_s;
	char *text;		/* NULL: given up */
	size_t len;
};

struct reader {
	struct page *page;
	double start_s;
};

/* From the last one on; only the server's thread uses them. */
static struct page *pages;

/* Let those go that nobody reads, all but the last PAGES, and those that are not to stay. */
static void tidy(unsigned int stay)
{
	unsigned int n = 0;

	for (struct page **at = &pages, *page; (page = *at);) {
		if (++n > stay) {
			free(page->text);
			page->text = NULL;
		}
		if (page->users || (page->text && page->made_s + FRESH_MS / 1e3 > now_s())) {
			at = &page->older;
			continue;
		}
		*at = page->older;
		free(page->text);
		free(page);
	}
}

static struct page *fresh(bool openmetrics)
{
	struct page *page;

	tidy(PAGES - 1);
	for (page = pages; page; page = page->older)
		if (page->text && page->openmetrics == openmetrics && now_s() - page->made_s < FRESH_MS / 1e3)
			return page;
	page = calloc(1, sizeof(*page));
	if (page)
		page->text = metrics_text(openmetrics, &page->len);
	if (!page || !page->text) {
		free(page);
		return NULL;
	}
	page->openmetrics = openmetrics;
	page->made_s = now_s();
	page->older = pages;
	pages = page;
	return page;
}

static ssize_t on_read(void *arg, uint64_t at, char *buf, size_t max)
{
	const struct reader *r = arg;
	size_t n = r->page->len - at;

	if (at >= r->page->len)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (!r->page->text || now_s() - r->start_s > DEADLINE_MS / 1e3)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = n < max ? n : max;
	memcpy(buf, r->page->text + at, n);
	return (ssize_t)n;
}

static void on_free(void *arg)
{
	struct reader *r = arg;

	r->page->users--;
	free(r);
}

static enum MHD_Result respond(struct MHD_Connection *c, unsigned int status, const char *type, struct MHD_Response *response)
{
	enum MHD_Result result = MHD_NO;

	if (response && lib.MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES)
		result = lib.MHD_queue_response(c, status, response);
	if (response)
		lib.MHD_destroy_response(response);
	return result;
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned int status, const char *text)
{
	return respond(c, status, "text/plain", lib.MHD_create_response_from_buffer(strlen(text), (char *)text, MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result metrics(struct MHD_Connection *c)
{
	const char *accept = lib.MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	bool openmetrics = accept && strstr(accept, "application/openmetrics-text");
	struct page *page = fresh(openmetrics);
	struct reader *r = page ? malloc(sizeof(*r)) : NULL;
	struct MHD_Response *response;

	if (!r)
		return say(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	*r = (struct reader){ page, now_s() };
	page->users++;
	response = lib.MHD_create_response_from_callback(page->len, MEMORY, on_read, r, on_free);
	if (!response)
		on_free(r);
	return respond(c, MHD_HTTP_OK, openmetrics ? TYPE_OPEN : TYPE_PLAIN, response);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method, const char *version,
				  const char *data, size_t *size, void **state)
{
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return say(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET /metrics\n");
	if (strcmp(url, "/metrics"))
		return say(c, MHD_HTTP_NOT_FOUND, "GET /metrics\n");
	return metrics(c);
}

/* ---- where ---- */

/* A socket that nobody listens at any more is removed; anything else stays. */
static void remove_dead(int fd, const struct sockaddr_un *at)
{
	struct stat st;

	if (!lstat(at->sun_path, &st) && S_ISSOCK(st.st_mode) && connect(fd, (const struct sockaddr *)at, sizeof(*at)) &&
	    errno == ECONNREFUSED)
		unlink(at->sun_path);
}

static int listen_unix(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), probe;

	if (fd < 0)
		return -errno;
	errno = ENAMETOOLONG;
	if (strlen(path) < sizeof(at.sun_path)) {
		memcpy(at.sun_path, path, strlen(path) + 1);
		probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (probe >= 0) {
			remove_dead(probe, &at);
			close(probe);
		}
		if (!fchmod(fd, 0660) && !bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, SOMAXCONN))
			return fd;
	}
	probe = -errno;
	close(fd);
	return probe;
}

/* host:port, in numbers; [host]:port for IPv6 */
static int listen_inet(const char *text, struct ctl_err *err)
{
	static const struct addrinfo wanted = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM };
	char host[64];
	const char *port = strrchr(text, ':');
	bool brackets = text[0] == '[' && port && port > text + 1 && port[-1] == ']';
	struct addrinfo *found = NULL;
	int fd, on = 1, failed;

	if (!port || (size_t)(port - text) >= sizeof(host)) {
		ctl_usage(err, "'--listen' takes ADDRESS:PORT or unix:PATH, not '%s'", text);
		return -1;
	}
	snprintf(host, sizeof(host), "%.*s", (int)(port - text) - 2 * brackets, text + brackets);
	failed = getaddrinfo(host, port + 1, &wanted, &found);
	if (failed) {
		ctl_usage(err, "'--listen' takes ADDRESS:PORT or unix:PATH, not '%s': %s", text, gai_strerror(failed));
		return -1;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	failed = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
		 bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, SOMAXCONN) ? -errno : fd;
	if (failed < 0 && fd >= 0)
		close(fd);
	freeaddrinfo(found);
	return failed;
}

static int listen_at(const char *text, struct ctl_err *err)
{
	bool local = !strncmp(text, "unix:", 5);
	int fd = local ? listen_unix(text + 5) : listen_inet(text, err);

	if (fd >= 0 || err->text[0])
		return fd;
	ctl_fail(err, NFV_RPC_E_FAILED, "cannot listen at %s: %s", text, strerror(-fd));
	if (fd == -EADDRINUSE)
		ctl_hint(err, local ? "ls -l %s" : "ss -ltnp | grep %s", local ? text + 5 : text);
	return fd;
}

/* How many connections there may be, with the descriptors that this process may have. */
static unsigned int connections(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return CONNECTIONS / 4;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur < 2 * CONNECTIONS ? (unsigned int)limit.rlim_cur / 2 : CONNECTIONS;
}

static int serve(int fd, const char *text, struct ctl_err *err)
{
	struct MHD_Daemon *server;
	sigset_t ends;
	int sig;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);	/* before there is a thread */
	rpc_timeout_ms = NFVD_MS;
	server = lib.MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, on_request, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, connections(), MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)DEADLINE_MS / 1000,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)2 * MEMORY, MHD_OPTION_END);
	if (!server) {
		close(fd);
		return ctl_fail(err, NFV_RPC_E_FAILED, "cannot start the HTTP server");
	}
	out_line("metrics at %s%s, path /metrics", strncmp(text, "unix:", 5) ? "http://" : "", text);
	fflush(stdout);
	sigwait(&ends, &sig);
	lib.MHD_stop_daemon(server);
	tidy(0);
	if (!strncmp(text, "unix:", 5))
		unlink(text + 5);
	return CTL_OK;
}

int cmd_export(int argc, char **argv, struct ctl_err *err)
{
	static const struct ctl_arg options[] = { { "--listen", ARG_STRING, false, 0, 0, NULL }, { .key = NULL } };
	json_t *given = json_object();
	int rc = args_options(argc, argv, options, given, err);
	const char *text = json_string_value(json_object_get(given, "--listen"));
	int fd;

	text = text ? text : DEFAULT_LISTEN;
	if (!rc)
		rc = library_open("libmicrohttpd.so.12", functions, err);
	if (!rc) {
		fd = listen_at(text, err);
		rc = fd < 0 ? (err->code == NFV_RPC_E_PARAMS ? CTL_USAGE : CTL_FAILED) : serve(fd, text, err);
	}
	json_decref(given);
	return rc;
}
