// SPDX-License-Identifier: BSD-3-Clause
// Findings, each with the command that helps, and recent events.
import { h, Keyed, setText, command, section, empty } from "./dom.js";
import { clock, plural } from "./format.js";

const SHOWN_MAX = 200;

function makeFinding(app, finding) {
    return { node: h("li", { class: "alert " + (finding.level === "bad" ? "danger" : "warning") },
        h("div", {}, h("span", { class: "badge " + finding.level, text: finding.level === "bad" ? "bad" : "warning" }), " ",
            finding.port ? h("a", { href: app.href(["ports", finding.port]), text: finding.port }) : null,
            finding.port ? ": " : null, finding.text),
        finding.hint ? h("div", { class: "hint" }, "Try: ", command(finding.hint)) : null) };
}

function makeEvent(app, event) {
    return { node: h("li", {}, h("time", { text: clock(event.time_ms) }), " ",
        event.port ? h("a", { href: app.href(["ports", event.port]), text: event.port }) : h("span", { class: "sub" }, "nfvd"), " ",
        h("span", { text: event.text }), event.kind && event.kind !== "note" ? h("span", { class: "kind", text: event.kind }) : null) };
}

export function eventsView(app) {
    const found = h("ul", { class: "findings" });
    const happened = h("ol", { class: "events", reversed: true });
    const search = h("input", { type: "search", class: "search", placeholder: "Search events", "aria-label": "Search events" });
    const count = h("span", { class: "count", role: "status" });
    const fine = empty("Nothing is wrong with nfvd and its ports. What is wrong with the host says: nfvctl doctor");
    const findings = new Keyed(found), events = new Keyed(happened);
    const view = {};

    view.update = () => {
        const wanted = search.value.trim().toLowerCase();
        const all = app.model.events.filter(e => !wanted || [e.port || "nfvd", e.kind, e.text].join(" ").toLowerCase().includes(wanted));

        findings.show(app.model.findings, f => [f.level, f.port, f.text].join("\n"), f => makeFinding(app, f), () => null);
        events.show(all.slice(-SHOWN_MAX).reverse(), e => e.seq, e => makeEvent(app, e), () => null);
        fine.hidden = app.model.findings.length > 0;
        setText(count, plural(all.length, "event"));
    };
    search.addEventListener("input", view.update);
    view.node = h("div", {}, section("Alerts", found, fine),
        section("Events", h("div", { class: "bar-tools" }, search, count), happened));
    return view;
}
