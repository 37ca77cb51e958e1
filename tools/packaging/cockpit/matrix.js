// SPDX-License-Identifier: BSD-3-Clause
// Traffic between ports: a cell for each pair of the busiest ports, and the pairs as a list.
import { h, Keyed, setText, setAttr, empty, arrange } from "./dom.js";
import { bits, frames, short, ratio, whole, plural, percent } from "./format.js";
import { copiesPerFrame } from "./model.js";

const PORTS_MAX = 32;           // of the grid, and
const PAIRS_MAX = 50;           // of the list
const HEATS = 6;

// 0: no traffic at present; up to HEATS, one step per factor of ten, from 10 kb/s
function heat(pair) {
    const rate = pair.rate.bytes * 8;

    return rate <= 0 ? 0 : Math.min(HEATS, Math.max(1, Math.floor(Math.log10(rate)) - 3));
}

function tells(pair) {
    return pair.src + " to " + pair.dst + ": " + bits(pair.rate.bytes) + ", " + frames(pair.rate.frames) + ", " +
        ratio(copiesPerFrame(pair)) + " copies per frame";
}

// Choose the busiest ports, ordered by name. One of the last choice counts twice, so that equals do not take turns.
function choose(pairs, before) {
    const sum = new Map();

    for (const pair of pairs)
        for (const name of [pair.src, pair.dst])
            sum.set(name, (sum.get(name) || 0) + pair.rate.bytes + pair.total.bytes * 1e-9);
    const weight = name => sum.get(name) * (before.includes(name) ? 2 : 1);
    return [...sum.keys()].sort((a, b) => weight(b) - weight(a)).slice(0, PORTS_MAX)
        .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

function makeGrid(select) {
    const head = h("tr", { role: "row" });
    const body = h("tbody", { role: "rowgroup" });
    const node = h("table", { class: "grid", role: "grid", "aria-label": "Rates, from the row's port to the column's" },
        h("thead", { role: "rowgroup" }, head), body);
    let names = [], cells = new Map();
    let stop = null;            // the cell that the Tab key leads to

    function stopAt(cell) {
        if (stop)
            stop.tabIndex = -1;
        stop = cell;
        if (stop)
            stop.tabIndex = 0;
    }

    function make(src, dst) {
        const cell = h("td", { role: "gridcell", tabindex: "-1", class: src === dst ? "self" : null });

        cell.addEventListener("focus", () => {
            stopAt(cell);
            if (src !== dst)
                select(src + " " + dst);
        });
        return { src, dst, cell };
    }

    // Who is in the grid stays at his pair, or, if it is not shown any more, in the grid.
    function build() {
        const before = cells, inside = body.contains(document.activeElement);

        cells = new Map();
        arrange(head, [h("td", { role: "cell", class: "corner" }, "from \\ to"),
            ...names.map(n => h("th", { role: "columnheader", scope: "col", title: n }, h("span", { text: n })))]);
        arrange(body, names.map(src => h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row", title: src, text: src }),
            names.map(dst => {
                const key = src + " " + dst;
                cells.set(key, before.get(key) || make(src, dst));
                return cells.get(key).cell;
            }))));
        if (!stop || !stop.isConnected)
            stopAt(body.querySelector("td:not(.self)"));
        if (inside && stop)
            stop.focus();
    }

    // The grid is one stop of the Tab key; arrow keys move in it.
    node.addEventListener("keydown", event => {
        const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
        const at = event.target;
        if (!step || at.tagName !== "TD")
            return;
        const row = body.rows[at.parentNode.sectionRowIndex + step[0]];
        const next = row && row.cells[at.cellIndex + step[1]];
        if (next && next.tagName === "TD")
            next.focus();
        event.preventDefault();
    });

    function update(pairs, chosen) {
        const wanted = choose(pairs, names);
        if (wanted.join(" ") !== names.join(" ")) {
            names = wanted;
            build();
        }
        const talk = new Map(pairs.map(pair => [pair.key, pair]));
        for (const [key, { src, dst, cell }] of cells) {
            const pair = talk.get(key);
            const text = pair ? tells(pair) : src + " to " + dst + ": nothing so far";
            if (src === dst)
                continue;
            setText(cell, pair ? (pair.rate.bytes > 0 ? short(pair.rate.bytes * 8) : "·") : "");
            setAttr(cell, "class", pair ? "heat" + heat(pair) + (key === chosen ? " chosen" : "") : null);
            setAttr(cell, "aria-label", text);
            setAttr(cell, "title", text);
        }
        return names.length;
    }
    return { node, update };
}

function makePair(app, select) {
    const src = h("a"), dst = h("a");
    const cells = [0, 1, 2, 3, 4].map(() => h("td", { class: "num" }));
    const node = h("tr", {}, h("th", { scope: "row" }, src, " → ", dst), cells);
    let key = "";

    node.addEventListener("click", () => select(key));
    return { node, draw(pair, chosen) {
        key = pair.key;
        setText(src, pair.src);
        setAttr(src, "href", app.href(["ports", pair.src]));
        setText(dst, pair.dst);
        setAttr(dst, "href", app.href(["ports", pair.dst]));
        [bits(pair.rate.bytes), frames(pair.rate.frames), ratio(copiesPerFrame(pair)),
            pair.total.frames ? percent(pair.total.shortcut_frames / pair.total.frames) : "0 %", whole(pair.total.dropped)]
            .forEach((text, i) => setText(cells[i], text));
        setAttr(node, "class", key === chosen ? "chosen" : null);
    } };
}

export function matrixView(app) {
    const search = h("input", { type: "search", class: "search", placeholder: "Only pairs with this port", "aria-label": "Search pairs" });
    const count = h("span", { class: "count", role: "status" });
    const one = h("p", { class: "one-pair", "aria-live": "off" });
    const none = empty("Nothing has been forwarded yet.");
    const body = h("tbody");
    const list = new Keyed(body);
    const view = { chosen: "" };
    const select = key => { view.chosen = key; view.update() };
    const grid = makeGrid(select);

    view.update = () => {
        const wanted = search.value.trim().toLowerCase();
        const pairs = [...app.model.pairs.values()].filter(pair => pair.total.frames > 0 &&
            (!wanted || pair.src.toLowerCase().includes(wanted) || pair.dst.toLowerCase().includes(wanted)));
        const most = pairs.sort((a, b) => b.rate.bytes - a.rate.bytes || b.total.bytes - a.total.bytes).slice(0, PAIRS_MAX);
        const shown = grid.update(pairs, view.chosen);
        const pair = app.model.pairs.get(view.chosen);

        list.show(most, p => p.key, () => makePair(app, select), (row, p) => row.draw(p, view.chosen));
        none.hidden = pairs.length > 0;
        setText(count, plural(pairs.length, "pair") + (shown === PORTS_MAX ? "; the grid has the " + PORTS_MAX + " ports that talk most" : ""));
        setText(one, pair ? tells(pair) + "; so far " + plural(pair.total.frames, "frame") + ", " + whole(pair.total.dropped) + " dropped" : "");
        one.hidden = !pair;
    };
    view.poll = async () => {
        const pairs = await app.rpc.list("ledger.get", "pairs");
        app.model.setPairs(pairs, performance.now());
    };
    view.node = h("div", {}, h("div", { class: "bar-tools" }, search, count),
        h("div", { class: "scale", "aria-hidden": "true" }, "b/s:", ["idle", "10k", "100k", "1M", "10M", "100M", "1G"].map((t, i) =>
            h("span", { class: "heat" + i }, t))),
        h("div", { class: "scroll" }, grid.node), one, none,
        h("h2", {}, "Pairs"),
        h("div", { class: "scroll" }, h("table", { class: "plain pairs" }, h("thead", {}, h("tr", {},
            ["Pair", "Rate", "Frames", "Copies / frame", "Shortcut", "Dropped"].map((t, i) => h("th", { scope: "col", class: i ? "num" : null }, t)))), body)));
    search.addEventListener("input", view.update);
    return view;
}
