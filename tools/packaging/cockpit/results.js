// SPDX-License-Identifier: BSD-3-Clause
// Plots of nfvctl bench's results in a folder that the user can read.
import { h, arrange, field, section, empty, setText, command } from "./dom.js";
import { bars } from "./chart.js";
import { ratio, clock } from "./format.js";
import { draftPlots } from "./draft.js";

const FILES_MAX = 40;
const FILE_MAX = 8 << 20;       // bytes
const REMEMBERED = "nfv:results-folder";

// Return the names of the folder's files.
function listFolder(path) {
    return new Promise((resolve, reject) => {
        const names = [];
        const channel = cockpit.channel({ payload: "fslist1", path, watch: false });

        channel.addEventListener("message", (event, data) => {
            const said = JSON.parse(data);
            if (said.path && said.event === "present" && said.type !== "directory")
                names.push(said.path);
        });
        channel.addEventListener("close", (event, options) => options.problem ? reject(new Error(options.message || options.problem)) : resolve(names));
    });
}

const number = v => typeof v === "number" && isFinite(v) ? v : 0;

// Plots of bench throughput, rtt and matrix: {pairs: [{a, b, ...}]}
function pairPlots(result) {
    const pairs = result.pairs.filter(p => p && typeof p === "object").slice(0, 500);
    const label = p => p.a + " - " + p.b;
    const tcp = pairs.filter(p => number(p.gbps_ab) || number(p.gbps_ba));
    const rtt = pairs.filter(p => p.rtt_us);

    return [tcp.length ? h("h3", {}, "TCP, Gb/s") : null, tcp.length ? bars(tcp.map(p => ({ label: label(p), values: [
        { value: number(p.gbps_ab), text: ratio(number(p.gbps_ab)) + " →", kind: "rx", title: "from " + p.a },
        { value: number(p.gbps_ba), text: ratio(number(p.gbps_ba)) + " ←", kind: "tx", title: "from " + p.b }] }))) : null,
    rtt.length ? h("h3", {}, "Round trip, µs: median and 99 %") : null, rtt.length ? bars(rtt.map(p => ({ label: label(p), values: [
        { value: number(p.rtt_us.p50), text: number(p.rtt_us.p50).toFixed(1), kind: "rx", title: "median" },
        { value: number(p.rtt_us.p99), text: number(p.rtt_us.p99).toFixed(1), kind: "tx", title: "99 %" }] })), true) : null,
    ...pairs.filter(p => p.error).map(p => h("p", { class: "reason", text: label(p) + ": " + p.error }))];
}

// Make cards for a file; none if it is not a result.
function plot(name, text) {
    let result;

    try {
        result = JSON.parse(text);
    } catch (e) {
        return [section(name, h("p", { class: "reason", text: "no JSON: " + e.message }))];
    }
    if (result && typeof result.draft === "string" && result.tables)
        return [section(name, ...draftPlots(result))];
    if (result && Array.isArray(result.pairs))
        return [section(name, result.date ? h("p", { class: "help", text: String(result.date) }) : null, ...pairPlots(result))];
    return [];
}

export function resultsView() {
    const folder = h("input", { type: "text", class: "path", spellcheck: "false", autocomplete: "off" });
    const note = h("p", { class: "help", role: "status" });
    const out = h("div");
    let turns = 0;
    const form = h("form", { class: "form inline" }, field("Folder of results", folder),
        h("button", { type: "submit", class: "btn secondary" }, "Read"));

    // If two reads run at a time, the later one counts.
    async function read() {
        const path = folder.value.trim();
        const turn = ++turns;
        const cards = [];
        let told;

        try {
            const names = (await listFolder(path)).filter(name => name.endsWith(".json")).sort().slice(0, FILES_MAX);
            for (const name of names) {
                const text = await cockpit.file(path + "/" + name, { max_read_size: FILE_MAX }).read();
                cards.push(...plot(name, text || ""));
            }
            told = cards.length ? "Read at " + clock(Date.now()) : "No result of nfvctl bench is there yet.";
        } catch (error) {
            told = path + " cannot be read: " + (error.message || error.problem);
        }
        if (turn !== turns)
            return;
        setText(note, told);
        arrange(out, cards.length ? cards : [empty("Results come by:"), h("p", {}, command("nfvctl bench draft --out " + path)),
            h("p", {}, command("nfvctl bench matrix save " + path + "/matrix.json"))]);
    }

    form.addEventListener("submit", event => {
        event.preventDefault();
        localStorage.setItem(REMEMBERED, folder.value.trim());
        read();
    });
    cockpit.user().then(user => {
        if (folder.value)
            return;
        folder.value = localStorage.getItem(REMEMBERED) || user.home + "/nfv-draft";
        read();
    });
    return { node: h("div", {}, form, note, out), update: () => null };
}
