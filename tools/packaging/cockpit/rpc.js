// SPDX-License-Identifier: BSD-3-Clause
// JSON-RPC 2.0 of include/nfv/rpc.h: one line per request and response, over nfvd's socket. Cockpit's bridge opens it as
// the logged-in user. If that user may not open it but has administrative access in Cockpit, it is opened as root.

const SOCKET = "/run/nfvd/ctl.sock";
const RETRY_MS = 500;           // the first pause, which doubles each time, up to
const RETRY_MAX_MS = 4000;      // this; each try is a line in the host's log
const PATIENCE_MS = 10000;      // for a response; then the connection is opened anew
const LINE_MAX = 16 << 20;      // characters

export class RpcError extends Error {
    constructor(message, hint, code) {
        super(message);
        this.hint = hint || "";
        this.code = code || 0;
    }
}

const LOST = "the connection to nfvd was lost before its response";

export class Rpc {
    // up(): connected. down({problem, message}): not connected; it keeps retrying.
    constructor(up, down) {
        this.up = up;
        this.down = down;
        this.waiting = new Map();
        this.lastId = 0;
        this.superuser = undefined;
        this.retry = RETRY_MS;
        this.open();
    }

    open() {
        this.pending = "";
        this.said = null;
        this.decoder = new TextDecoder();
        this.channel = cockpit.channel({ payload: "stream", unix: SOCKET, binary: true, superuser: this.superuser });
        this.channel.addEventListener("message", (event, data) => this.received(data));
        this.channel.addEventListener("close", (event, options) => this.closed(options));
        // Only the first response shows that the socket is open.
        this.call("daemon.info").then(info => {
            this.retry = RETRY_MS;
            this.up(info);
        }, () => null);
    }

    closed(options) {
        const denied = options.problem === "access-denied";
        const problem = this.said ? "refused" : options.problem || "disconnected";

        clearTimeout(this.timer);
        for (const { reject } of this.waiting.values())
            reject(new RpcError(LOST));
        this.waiting.clear();
        if (denied && !this.superuser) {
            this.superuser = "try";
            this.open();
            return;
        }
        if (!denied)
            this.superuser = undefined;
        this.down({ problem, message: this.said || options.message || "" });
        setTimeout(() => this.open(), this.retry);
        this.retry = Math.min(2 * this.retry, RETRY_MAX_MS);
    }

    received(data) {
        this.pending += this.decoder.decode(data, { stream: true });
        const lines = this.pending.split("\n");
        this.pending = lines.pop();
        lines.forEach(line => this.response(line));
        if (this.pending.length > LINE_MAX)
            this.channel.close("protocol-error");
    }

    response(line) {
        let reply;

        try {
            reply = JSON.parse(line);
        } catch (e) {
            this.channel.close("protocol-error");
            return;
        }
        const call = this.waiting.get(reply.id);
        if (!call) {            // after a message without an id nfvd closes the connection
            this.said = reply.error ? reply.error.message : null;
            return;
        }
        this.waiting.delete(reply.id);
        this.watch();
        if (reply.error)
            call.reject(new RpcError(reply.error.message, reply.error.data && reply.error.data.hint, reply.error.code));
        else
            call.resolve(reply.result);
    }

    // Responses come in the order of requests: wait for the oldest one.
    watch() {
        clearTimeout(this.timer);
        if (this.waiting.size)
            this.timer = setTimeout(() => this.channel.close("timeout"), PATIENCE_MS);
    }

    call(method, params) {
        const id = ++this.lastId;

        return new Promise((resolve, reject) => {
            if (!this.channel.valid) {
                reject(new RpcError("nfvd is not connected"));
                return;
            }
            this.waiting.set(id, { resolve, reject });
            if (this.waiting.size === 1)
                this.watch();
            const text = JSON.stringify({ jsonrpc: "2.0", id, method, params: params || {} });
            this.channel.send(new TextEncoder().encode(text + "\n"));
        });
    }

    // Get a result whose list may come in parts: the list, whole or with at least so many elements, and the first part's other
    // members. It has "more" if the list is not whole.
    async whole(method, key, params, enough = Infinity) {
        const first = await this.call(method, params);

        while (first.more !== undefined && first[key].length < enough) {
            const part = await this.call(method, Object.assign({}, params, { from: first.more }));

            first[key] = first[key].concat(part[key]);
            first.more = part.more;
        }
        return first;
    }

    async list(method, key, params) {
        return (await this.whole(method, key, params))[key];
    }
}
