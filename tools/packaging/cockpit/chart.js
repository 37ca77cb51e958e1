// SPDX-License-Identifier: BSD-3-Clause
// Lines and bars. The style sheet sets their colours.
import { h, svg, setAttr } from "./dom.js";
import { HISTORY } from "./model.js";

function line(values, width, height, top) {
    const step = width / (HISTORY - 1);
    const first = width - (values.length - 1) * step;

    return values.map((v, i) => (i ? "L" : "M") + (first + i * step).toFixed(1) + " " +
        (height - v / top * (height - 2) - 1).toFixed(1)).join("");
}

function area(path, values, width, height) {
    const first = width - (values.length - 1) * (width / (HISTORY - 1));

    return path + "L" + width + " " + height + "L" + first.toFixed(1) + " " + height + "Z";
}

// The rates of a port: update(history) draws them, unless all are 0, and returns the highest.
export function traffic(width, height, label) {
    const rx = svg("path", { class: "line rx" });
    const tx = svg("path", { class: "line tx" });
    const rxArea = svg("path", { class: "area rx" });
    const node = svg("svg", { class: "traffic", viewBox: "0 0 " + width + " " + height, preserveAspectRatio: "none",
        role: "img", "aria-label": label }, rxArea, rx, tx);

    function update(history) {
        const ins = history.map(s => s.rx);
        const outs = history.map(s => s.tx);
        const top = Math.max(...ins, ...outs, 0);
        const path = top && line(ins, width, height, top);
        setAttr(rx, "d", path || null);
        setAttr(rxArea, "d", path ? area(path, ins, width, height) : null);
        setAttr(tx, "d", path ? line(outs, width, height, top) : null);
        return top;
    }
    return { node, update };
}

// rows: [{label, values: [{value, text, kind, title}], note}]; each table has a scale of its own.
export function bars(rows, log) {
    const all = rows.flatMap(row => row.values.map(v => v.value)).filter(v => v > 0);
    const top = Math.max(...all, 1e-9);
    const low = Math.min(...all, top) / 2;
    const share = v => v <= 0 ? 0 : log ? Math.log(v / low) / Math.log(top / low) : v / top;

    return h("div", { class: "bars", role: "table" }, rows.map(row => {
        const cells = row.values.map(v => {
            const bar = h("div", { class: "bar " + (v.kind || "") });
            bar.style.width = (100 * Math.max(share(v.value), 0.004)).toFixed(2) + "%";
            return h("div", { class: "bar-line", title: v.title }, h("div", { class: "bar-room" }, bar),
                h("span", { class: "bar-text", text: v.text }));
        });
        return h("div", { class: "bar-row", role: "row" }, h("div", { class: "bar-label", role: "rowheader", text: row.label }),
            h("div", { role: "cell" }, cells, row.note ? h("div", { class: "help", text: row.note }) : null));
    }));
}
