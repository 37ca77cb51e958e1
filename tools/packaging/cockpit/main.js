// SPDX-License-Identifier: BSD-3-Clause
// The frame of the page: the view, the connection, and how often nfvd is polled.
import { h, arrange, setText, setAttr, command } from "./dom.js";
import { seconds, plural } from "./format.js";
import { Model } from "./model.js";
import { Rpc } from "./rpc.js";
import { follow } from "./theme.js";
import { portsView } from "./ports.js";
import { portView } from "./port.js";
import { matrixView } from "./matrix.js";
import { eventsView } from "./events.js";
import { resultsView } from "./results.js";

const POLL_MS = 500;
const SHARE = 3;                // pause before the next request, in multiples of the last response's time
const FINDINGS_MS = 3000;
const SAID_MS = 15000;          // how long the page says that the connection is restored

const TABS = [["ports", "Ports"], ["matrix", "Matrix"], ["events", "Events and alerts"], ["results", "Results"]];

const app = {
    model: new Model(),
    rpc: null,
    connected: false,
    href: path => "#/" + path.map(encodeURIComponent).join("/"),
    go: path => cockpit.location.go(path),
    // Return why a control is disabled, or null.
    denied: method => app.connected ? app.model.denied(method) : "nfvd is not connected",
    words: () => (app.model.info && app.model.info.policy_words) || [],
    soon: () => poll(),
};

const banner = document.getElementById("banner");
const main = document.getElementById("view");
const about = h("span", { class: "about" });
const alerts = h("span", { class: "alerts", hidden: true });
const tabs = new Map(TABS.map(([key, text]) => [key, h("a", { href: app.href([key]) }, text)]));
let view = null, viewKey = "", timer = 0, polling = false, again = false, findingsAt = 0;

// ---- which view ----

function makeView(path) {
    const [kind, name] = path;

    if (kind === "ports" && name)
        return portView(app, name);
    return { matrix: matrixView, events: eventsView, results: resultsView }[kind] ? { matrix: matrixView, events: eventsView, results: resultsView }[kind](app) : portsView(app);
}

function route() {
    const path = cockpit.location.path.length ? cockpit.location.path : ["ports"];
    const key = path.join("/") + (app.words().length ? "" : "?");

    for (const [tab, link] of tabs)
        setAttr(link, "aria-current", tab === path[0] ? "page" : null);
    if (key === viewKey)
        return;
    if (view && view.close)
        view.close();
    viewKey = key;
    view = makeView(path);
    arrange(main, [view.node]);
    draw();
    poll();
}

function draw() {
    const info = app.model.info;

    view.update();
    alerts.hidden = !app.model.findings.length;
    setText(alerts, String(app.model.findings.length));
    setAttr(alerts, "aria-label", plural(app.model.findings.length, "alert"));
    setText(about, info && app.connected ? ["nfvd " + info.version, "up " + seconds(info.uptime_s + (performance.now() - app.since) / 1000),
        workers(info), "your role: " + info.caller.role].join(" · ") : "");
}

// With their busy share, if nfvd reports it.
function workers(info) {
    const busy = app.model.workers.map(w => w.busy).filter(b => typeof b === "number");

    return plural(info.workers, "worker") + (busy.length ? " " + busy.map(b => Math.round(b * 100) + " %").join(", ") + " busy" : "");
}

// ---- the connection ----

const HELP = {
    "not-found": ["nfvd is not running.", "systemctl start nfvd"],
    "access-denied": ["You may not ask nfvd: it takes a group that has a role, or administrative access.", "usermod -aG nfv-read USER"],
};

function say(kind, text, hint) {
    const key = kind + text + (hint || "");

    if (banner.dataset.key === key)
        return;
    banner.dataset.key = key;
    setAttr(banner, "class", text ? "alert " + kind : null);
    arrange(banner, text ? [h("strong", { text }), hint && h("span", { class: "hint" }, " Try: ", command(hint))] : []);
}

function up(info) {
    const before = app.model.info;
    const another = app.model.connected(info);

    app.connected = true;
    app.since = performance.now();
    if (before) {
        say("success", another ? "nfvd has been restarted; connected again." : "Connected again.");
        setTimeout(() => banner.className === "alert success" && say("", ""), SAID_MS);
    } else {
        say("", "");
    }
    route();
    poll();
}

function down({ problem, message }) {
    const [text, hint] = HELP[problem] || ["The connection to nfvd is lost (" + (message || problem) + ")."];

    app.connected = false;
    say(app.model.info ? "warning" : "danger", text + (app.model.info ? " What you see is as it was; it connects again by itself." : ""), hint);
    draw();
}

// ---- asking ----

async function ask() {
    const [list, stats, events] = await Promise.all([app.rpc.list("port.list", "ports"), app.rpc.whole("stats.get", "ports"),
        app.rpc.call("events.get", { since: app.model.since })]);

    app.model.setPorts(list, stats, performance.now());
    app.model.addEvents(events);
    if (performance.now() - findingsAt > FINDINGS_MS) {
        findingsAt = performance.now();
        app.model.findings = (await app.rpc.call("findings.get")).findings;
    }
    if (view.poll)
        await view.poll();
}

async function poll() {
    clearTimeout(timer);
    if (polling) {
        again = true;
        return;
    }
    if (!app.connected || document.hidden)
        return;
    const began = performance.now();
    polling = true;
    try {
        await ask();
        draw();
    } catch (error) {
        // The port may have been detached between two requests. A lost connection is reported elsewhere.
        if (app.connected && error.code === undefined)
            console.error(error);
    }
    polling = false;
    const wait = again ? 0 : Math.max(POLL_MS, SHARE * (performance.now() - began));
    again = false;
    timer = setTimeout(poll, Math.min(wait, 10000));
}

function start() {
    tabs.get("events").append(alerts);
    document.getElementById("head").append(h("nav", { "aria-label": "Network switch" }, [...tabs.values()]), about);
    follow();
    app.rpc = new Rpc(up, down);
    route();
    cockpit.addEventListener("locationchanged", route);
    document.addEventListener("visibilitychange", poll);
    cockpit.transport.wait(() => null);
}

start();
