// SPDX-License-Identifier: BSD-3-Clause
// nfvd's last data, and rates computed from earlier data. Nothing here draws.

export const HISTORY = 120;     // samples of a port's rates
const EVENTS_MAX = 1000;
const PAIR = ["frames", "bytes", "copies", "dropped", "syscalls", "shortcut_frames"];

// Rate per second; counters start at zero with a new nfvd.
function rate(now, before, key, seconds) {
    const n = (now[key] || 0) - (before[key] || 0);

    return n > 0 && seconds > 0 ? n / seconds : 0;
}

class Port {
    constructor(port) {
        this.serial = port.serial;
        this.rx = { frames: 0, bytes: 0 };      // taken from the port
        this.tx = { frames: 0, bytes: 0 };      // delivered to the port
        this.drops = 0;
        this.dropped = 0;
        this.history = [];                      // [{rx, tx}], bytes per second
    }

    counted(stats, at) {
        const before = this.stats;

        this.stats = stats;
        this.dropped = stats.dropped;
        if (before) {
            const seconds = (at - this.at) / 1000;
            this.rx = { frames: rate(stats, before, "rx_frames", seconds), bytes: rate(stats, before, "rx_bytes", seconds) };
            this.tx = { frames: rate(stats, before, "tx_frames", seconds), bytes: rate(stats, before, "tx_bytes", seconds) };
            this.drops = rate(stats, before, "dropped", seconds);
            this.history.push({ rx: this.rx.bytes, tx: this.tx.bytes });
            if (this.history.length > HISTORY)
                this.history.shift();
        }
        this.at = at;
    }
}

export class Model {
    constructor() {
        this.info = null;
        this.ports = new Map();         // name: Port, in the order of nfvd
        this.pairs = new Map();         // "src dst": {src, dst, total, rate}
        this.events = [];
        this.findings = [];
        this.since = 0;
        this.workers = [];
        this.loaded = false;
    }

    // Check whether nfvd has been restarted.
    connected(info) {
        const another = this.info && this.info.pid !== info.pid;

        this.info = info;
        if (another) {
            this.since = 0;
            this.pairs.clear();
            this.ports.clear();
        }
        return another;
    }

    // Return why this user may not call the method; null: the user may.
    denied(method) {
        const caller = this.info && this.info.caller;
        const needs = caller && caller.denied && caller.denied[method];

        return needs ? "This needs the role " + needs + "; yours is " + caller.role : null;
    }

    setPorts(list, stats, at) {
        const counted = new Map(stats.ports.map(s => [s.name, s]));
        const now = new Map();

        for (const said of list) {
            let port = this.ports.get(said.name);
            if (!port || port.serial !== said.serial)
                port = new Port(said);
            port.said = said;
            port.name = said.name;
            if (counted.has(said.name))
                port.counted(counted.get(said.name), at);
            now.set(said.name, port);
        }
        this.ports = now;
        this.workers = stats.workers || [];
        this.loaded = true;
    }

    setPairs(list, at) {
        const now = new Map();

        for (const total of list) {
            const key = total.src + " " + total.dst;
            const before = this.pairs.get(key);
            const pair = { key, src: total.src, dst: total.dst, total, at, rate: {} };
            for (const name of PAIR)
                pair.rate[name] = before ? rate(total, before.total, name, (at - before.at) / 1000) : 0;
            now.set(key, pair);
        }
        this.pairs = now;
    }

    // Of many similar events nfvd keeps the last, and sends it again with a new number.
    addEvents(result) {
        this.events = this.events.concat(result.events).slice(-EVENTS_MAX);
        this.since = result.next;
    }
}

// Copies per frame of a pair: of its present traffic or, without any, of all its traffic.
export function copiesPerFrame(pair) {
    if (pair.rate.frames > 0)
        return pair.rate.copies / pair.rate.frames;
    return pair.total.copies_per_frame;
}
