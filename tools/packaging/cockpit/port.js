// SPDX-License-Identifier: BSD-3-Clause
// One port: its traffic, why it is not up, its policy, drops, peers, queues and addresses.
import { h, Keyed, setText, setAttr, button, allow, section, command, failure, arrange, empty } from "./dom.js";
import { bits, frames, whole, plural, ratio, seconds } from "./format.js";
import { traffic } from "./chart.js";
import { badge, bound, quarantined } from "./ports.js";
import { policyForm } from "./policy.js";
import { openDetach } from "./attach.js";

const ADDRESSES_MAX = 100;
// Shown elsewhere on this page.
const NOT_DETAILS = ["name", "state", "why", "hint", "policy", "queue", "reason"];

// A table of so many columns; show([{key, cells: [text or node]}])
function table(label, heads) {
    const body = h("tbody");
    const rows = new Keyed(body);
    const node = h("div", { class: "scroll" }, h("table", { class: "plain", "aria-label": label },
        h("thead", {}, h("tr", {}, heads.map(([text, kind]) => h("th", { scope: "col", class: kind }, text)))), body));

    return { node, show: items => rows.show(items, item => item.key,
        () => ({ node: h("tr", {}, heads.map(([, kind]) => h("td", { class: kind }))) }),
        (row, item) => item.cells.forEach((text, i) => setText(row.node.cells[i], text))) };
}

function drops() {
    const list = table("Dropped", [["Reason"], ["Count", "num"], ["Meaning"]]);
    const none = empty("Nothing was dropped.");

    const node = section("Dropped, and other faults", list.node, none);

    node.hidden = true;         // until nfvd has responded
    return { node, show(all) {
        node.hidden = false;
        list.show(all.map(d => ({ key: d.reason, cells: [d.reason, whole(d.count), d.help + (d.frames ? "" : " (no frames)")] })));
        list.node.hidden = !all.length;
        none.hidden = all.length > 0;
    } };
}

function peers() {
    const list = table("Peers", [["From"], ["To"], ["Frames", "num"], ["Dropped", "num"], ["Copies / frame", "num"], ["By the shortcut", "num"]]);

    return { node: section("Talks with", list.node), show: all => list.show(all.map(p => ({ key: p.src + " " + p.dst,
        cells: [p.src, p.dst, whole(p.frames), whole(p.dropped), ratio(p.copies_per_frame), whole(p.shortcut_frames)] }))) };
}

function queues() {
    const list = table("Queues", [["Queue"], ["State"], ["Size", "num"], ["Interrupts", "num"], ["Reason"]]);
    const node = section("Queues", list.node);

    return { node, show(all) {
        node.hidden = !all || !all.length;
        list.show((all || []).map(q => ({ key: q.index, cells: [q.index + (q.index % 2 ? " (from the guest)" : " (to the guest)"),
            q.state || "", whole(q.size || 0), whole(q.interrupts || 0), q.reason || ""] })));
    } };
}

function addresses() {
    const list = table("Addresses", [["Address"], ["VLAN", "num"], ["Seen", "num"], [""]]);
    const note = h("p", { class: "help" });
    const node = section("Addresses learnt", list.node, note);

    return { node, show(result) {
        const all = result.entries.slice(0, ADDRESSES_MAX).sort((a, b) => a.vlan - b.vlan || (a.mac < b.mac ? -1 : 1));
        list.show(all.map(e => ({ key: e.mac + e.vlan, cells: [e.mac, String(e.vlan), seconds(e.age_ms / 1000) + " ago",
            e.contested ? "several ports claim it" : ""] })));
        setText(note, result.more !== undefined || result.entries.length > all.length ? all.length + " of them." : "");
    } };
}

function show(value) {
    if (Array.isArray(value))
        return value.map(show).join(", ") || "none";
    if (value && typeof value === "object")
        return Object.keys(value).map(key => key + " " + show(value[key])).join(", ") || "none";
    return typeof value === "number" ? whole(value) : String(value);
}

function details() {
    const list = table("Details", [["What"], ["Value"]]);

    return { node: h("details", { class: "card" }, h("summary", {}, "Details"), list.node), show: said => list.show(
        Object.keys(said).filter(key => !NOT_DETAILS.includes(key)).map(key => ({ key, cells: [key, show(said[key])] }))) };
}

// Show why it is not up, and the command that helps.
function trouble() {
    const why = h("strong");
    const hint = h("div", { class: "hint" });
    const node = h("div", { class: "alert warning" }, why, hint);
    let shown = "";

    return { node, show(said) {
        const text = said.why || (said.state !== "up" ? "It is " + said.state : "");
        const now = text + "\n" + (said.hint || "");
        node.hidden = !text;
        if (now === shown)
            return;
        shown = now;
        setText(why, text);
        arrange(hint, said.hint ? ["Try: ", command(said.hint)] : []);
    } };
}

function actions(app, name) {
    const result = h("div");
    const hold = button("Quarantine", async () => {
        const port = app.model.ports.get(name);
        arrange(result, []);
        try {
            const set = await app.rpc.call("quarantine.set", { port: name, on: !quarantined(port) });
            port.said.policy = set.policy;
            app.soon();
        } catch (error) {
            arrange(result, [failure(error)]);
        }
    }, "danger");
    const away = button("Detach", () => openDetach(app, name));

    return { node: h("div", { class: "actions" }, hold, away), result, update(port) {
        setText(hold, quarantined(port) ? "Release" : "Quarantine");
        setAttr(hold, "class", "btn " + (quarantined(port) ? "primary" : "danger"));
        allow(hold, app.denied("quarantine.set"));
        allow(away, app.denied("port.detach"));
    } };
}

export function portView(app, name) {
    const state = h("span", { class: "badge" });
    const about = h("span", { class: "sub" });
    const chart = traffic(600, 90, "Rates of the last minute");
    const top = h("span", { class: "top" });
    const rx = h("strong"), tx = h("strong"), lost = h("strong");
    const limit = h("p", { class: "help" });
    const gone = empty("No port has this name.");
    const buttons = actions(app, name);
    const parts = { trouble: trouble(), policy: policyForm(app, name), drops: drops(), peers: peers(), queues: queues(),
        addresses: addresses(), details: details() };
    const content = h("div", {}, parts.trouble.node, buttons.result,
        section("Traffic", h("div", { class: "chart" }, top, chart.node), h("div", { class: "figures" }, h("span", { class: "key rx" }, "from the port ", rx),
            h("span", { class: "key tx" }, "to the port ", tx), h("span", {}, "dropped ", lost)), limit),
        parts.drops.node, parts.policy.node, parts.peers.node, parts.queues.node, parts.addresses.node, parts.details.node);
    const view = {};

    view.update = () => {
        const port = app.model.ports.get(name);
        gone.hidden = Boolean(port) || !app.model.loaded;
        content.hidden = buttons.node.hidden = state.hidden = about.hidden = !port;
        if (!port)
            return;
        const said = port.said;
        setText(state, badge(port));
        setAttr(state, "class", "badge " + badge(port));
        setText(about, [said.type, said.via, plural(said.queues || 0, "queue"), said.dev, bound(port)].filter(Boolean).join(" · "));
        setText(top, bits(chart.update(port.history)));
        setText(rx, bits(port.rx.bytes) + ", " + frames(port.rx.frames));
        setText(tx, bits(port.tx.bytes) + ", " + frames(port.tx.frames));
        setText(lost, frames(port.drops));
        setText(limit, bound(port) && bound(port) + ": " + (port.stats.bound_why || ""));
        buttons.update(port);
        parts.trouble.show(said);
        parts.policy.update();
        parts.queues.show(said.queue);
        parts.details.show(said);
    };
    view.poll = async () => {
        const port = app.model.ports.get(name);

        // A port that is kept, and not attached, has no id, and no counters.
        if (!port || port.said.id === undefined)
            return;
        const [lostFrames, pairs, entries] = await Promise.all([app.rpc.list("drops.get", "drops", { port: name }),
            app.rpc.list("ledger.get", "pairs", { port: name }),
            app.rpc.whole("fdb.list", "entries", { port: name }, ADDRESSES_MAX + 1)]);
        parts.drops.show(lostFrames);
        parts.peers.show(pairs);
        parts.addresses.show(entries);
    };
    view.node = h("div", { class: "one-port" }, h("div", { class: "bar-tools" },
        h("a", { class: "back", href: app.href(["ports"]) }, "‹ Ports"), h("h1", { text: name }), state, about, buttons.node),
        gone, content);
    return view;
}
