// SPDX-License-Identifier: BSD-3-Clause
// All ports, one row each; only visible rows are redrawn.
import { h, Keyed, setText, setAttr, button, allow, empty } from "./dom.js";
import { bits, frames, whole, plural } from "./format.js";
import { traffic } from "./chart.js";
import { openAttach } from "./attach.js";

const ORDERS = {
    name: (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }),
    state: (a, b) => a.said.state.localeCompare(b.said.state) || ORDERS.name(a, b),
    type: (a, b) => a.said.type.localeCompare(b.said.type) || ORDERS.name(a, b),
    rx: (a, b) => b.rx.bytes - a.rx.bytes || ORDERS.name(a, b),
    tx: (a, b) => b.tx.bytes - a.tx.bytes || ORDERS.name(a, b),
    drops: (a, b) => b.dropped - a.dropped || ORDERS.name(a, b),
};

export function quarantined(port) {
    const how = port.said.policy && port.said.policy.quarantine;    // "on" or "mirror PORT"

    return Boolean(how) && how !== "off";
}

export function badge(port) {
    return quarantined(port) ? "quarantine" : port.said.state;
}

function segment(port) {
    const policy = port.said.policy || {};

    return [policy.zone, policy.vlan ? "vlan " + policy.vlan : "", port.said.type === "kvm" ? "" : port.said.dev || ""]
        .filter(Boolean).join(" · ");
}

// Return all searchable words of a port.
function words(port) {
    const said = port.said;

    return [port.name, said.type, said.via, badge(port), said.dev, said.container_netns, said.why, said.domain,
        ...Object.values(said.policy || {})].filter(Boolean).join(" ").toLowerCase();
}

// Return the bottleneck, if nfvd reports one.
export function bound(port) {
    const b = port.stats && port.stats.bound;

    return b && b !== "idle" ? b + "-bound" : "";
}

// Make a rate in two lines, pale without traffic.
function makeRate() {
    const rate = h("span"), perSecond = h("span", { class: "sub" });

    return { nodes: [rate, perSecond], show(r) {
        setText(rate, bits(r.bytes));
        setText(perSecond, frames(r.frames));
        setAttr(rate, "class", r.frames > 0 ? null : "idle");
    } };
}

function makeRow(app, observer) {
    const link = h("a", { class: "port-name" });
    const state = h("span", { class: "badge" });
    const why = h("span", { class: "why" });
    const type = h("span");
    const where = h("span", { class: "sub" });
    const rx = makeRate(), tx = makeRate();
    const drops = h("span"), dropRate = h("span", { class: "sub" });
    const spark = traffic(120, 28, "the last minute");
    const node = h("tr", { role: "row" },
        h("th", { role: "rowheader", scope: "row", class: "c-name" }, link, where),
        h("td", { role: "cell", class: "c-state" }, state, why),
        h("td", { role: "cell", class: "c-type" }, type),
        h("td", { role: "cell", class: "num c-rx" }, rx.nodes),
        h("td", { role: "cell", class: "num c-tx" }, tx.nodes),
        h("td", { role: "cell", class: "num c-drops" }, drops, dropRate),
        h("td", { role: "cell", class: "c-spark" }, spark.node));
    const row = { node, seen: true, port: null };

    node.row = row;
    observer.observe(node);
    row.draw = () => {
        const port = row.port;
        const kind = badge(port);
        setText(link, port.name);
        setAttr(link, "href", app.href(["ports", port.name]));
        setText(state, kind);
        setAttr(state, "class", "badge " + kind);
        setText(why, port.said.state === "up" ? bound(port) : port.said.why || "");
        setText(type, port.said.type + (port.said.via && port.said.via !== "vhost-user" ? " · " + port.said.via : ""));
        setText(where, segment(port));
        rx.show(port.rx);
        tx.show(port.tx);
        setText(drops, whole(port.dropped));
        setAttr(drops, "class", port.dropped ? null : "idle");
        setText(dropRate, port.drops > 0 ? frames(port.drops) : "");
        setAttr(node, "class", port.drops > 0 ? "dropping" : null);
        spark.update(port.history);
    };
    return row;
}

function head(view) {
    const cells = [["name", "Port", "c-name"], ["state", "State", "c-state"], ["type", "Type", "c-type"],
        ["rx", "From port", "num c-rx"], ["tx", "To port", "num c-tx"], ["drops", "Dropped", "num c-drops"]];

    view.heads = {};
    return h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, cells.map(([key, text, kind]) => {
        const cell = h("th", { role: "columnheader", scope: "col", class: kind },
            h("button", { type: "button", class: "sort", onclick: () => view.sortBy(key) }, text));
        view.heads[key] = cell;
        return cell;
    }), h("th", { role: "columnheader", scope: "col", class: "c-spark" }, "Last minute")));
}

export function portsView(app) {
    const search = h("input", { type: "search", placeholder: "Search: name, state, type, zone, device",
        "aria-label": "Search ports", class: "search" });
    const count = h("span", { class: "count", role: "status" });
    const attach = button("Attach a port", () => openAttach(app), "primary");
    const body = h("tbody", { role: "rowgroup" });
    const none = empty("");
    const view = { order: "name" };
    const rows = new Keyed(body);
    const observer = new IntersectionObserver(entries => entries.forEach(entry => {
        entry.target.row.seen = entry.isIntersecting;
        if (entry.isIntersecting)
            entry.target.row.draw();
    }), { rootMargin: "100px" });

    view.sortBy = key => { view.order = key; view.update() };
    view.update = () => {
        const all = [...app.model.ports.values()];
        const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
        const shown = all.filter(port => wanted.every(word => words(port).includes(word)));

        shown.sort(ORDERS[view.order]);
        rows.show(shown, port => port.serial || port.name, () => makeRow(app, observer), (row, port) => {
            row.port = port;
            if (row.seen)
                row.draw();
        });
        setText(count, shown.length === all.length ? plural(all.length, "port") : shown.length + " of " + plural(all.length, "port"));
        none.hidden = shown.length > 0 || !app.model.loaded;
        setText(none, all.length ? "No port has all of these words." : "No port is attached yet.");
        for (const key of Object.keys(view.heads))
            setAttr(view.heads[key], "aria-sort", key === view.order ? (key === "name" || key === "state" || key === "type" ? "ascending" : "descending") : null);
        allow(attach, app.denied("port.attach"));
    };
    view.close = () => observer.disconnect();
    view.node = h("div", {}, h("div", { class: "bar-tools" }, search, count, attach),
        h("div", { class: "legend" }, h("span", { class: "key rx" }, "from the port"), h("span", { class: "key tx" }, "to the port")),
        h("table", { class: "ports", role: "table", "aria-label": "Ports" }, head(view), body), none);
    search.addEventListener("input", view.update);
    return view;
}
