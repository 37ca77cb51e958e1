// SPDX-License-Identifier: BSD-3-Clause
// The report of nfvctl bench draft: its tables as plots, measured values beside published ones.
import { h } from "./dom.js";
import { bars } from "./chart.js";

// For each table: title, [member of a row, its label, colour]; with a logarithmic scale if rows differ much
const TABLES = {
    instantiation: ["Instantiation, ms", [["nfvd", "nfvd", "rx"], ["bridge", "bridge", "tx"], ["published_ms", "published", "other"]], true],
    throughput: ["Throughput, Gb/s", [["tx", "tx", "rx"], ["rx", "rx", "tx"], ["published_tx", "published tx", "other"], ["published_rx", "published rx", "other"]], false],
    rtt: ["Round trip, ms", [["avg", "average", "rx"], ["p99", "99 %", "tx"], ["published_ms", "published", "other"]], true],
    image: ["Image, MB", [["size", "size", "rx"], ["published_mb", "published", "other"]], true],
    memory: ["Memory, MB", [["used", "used", "rx"], ["published_mb", "published", "other"]], true],
};

function digits(v) {
    return v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v >= 1 ? v.toFixed(2) : v.toFixed(3);
}

// A member is a summary of samples, or a published number.
function value(row, [key, word, kind]) {
    const said = row[key];
    const n = said && typeof said === "object" ? said.median : said;

    if (typeof n !== "number" || !isFinite(n) || n <= 0)
        return null;
    return { value: n, text: digits(n) + " " + word, kind, title: word + ": " + (said.text || digits(n)) };
}

function table(rows, [title, members, log]) {
    const shown = rows.map(row => ({ label: String(row.technology), note: row.note ? String(row.note) : "",
        values: members.map(member => value(row, member)).filter(Boolean) })).filter(row => row.values.length);

    return shown.length ? [h("h3", {}, title + (log ? " (by decades)" : "")), bars(shown, log)] : [];
}

export function draftPlots(result) {
    const host = result.host || {};
    const about = [host.date, host.system, host.cpu, host.kernel, result.complete ? "" : "not complete"].filter(Boolean).join(" · ");

    return [h("p", { class: "help", text: result.draft + " · " + about }),
        ...Object.keys(TABLES).flatMap(key => Array.isArray(result.tables[key]) ? table(result.tables[key].slice(0, 100), TABLES[key]) : [])];
}
