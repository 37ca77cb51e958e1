// SPDX-License-Identifier: BSD-3-Clause
// Make nodes without HTML: nfvd's data becomes text only. tests/lint.sh refuses other ways.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, props, children) {
    for (const key of Object.keys(props || {})) {
        const value = props[key];
        if (value === undefined || value === null || value === false)
            continue;
        if (key.startsWith("on"))
            node.addEventListener(key.slice(2), value);
        else if (key === "text")
            node.textContent = value;
        else
            node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.flat().filter(child => child !== null && child !== undefined));
    return node;
}

// h("td", {class: "name", onclick: f}, child...): children are nodes or text
export function h(tag, props, ...children) {
    return fill(document.createElement(tag), props, children);
}

export function svg(tag, props, ...children) {
    return fill(document.createElementNS(SVG, tag), props, children);
}

export function setText(node, text) {
    if (node.textContent !== text)
        node.textContent = text;
}

export function setAttr(node, name, value) {
    if (value === null || value === undefined || value === false)
        node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value))
        node.setAttribute(name, value);
}

// Put these children (nodes, text, or null) into node, in this order. Those in place are not moved, so they keep the focus.
export function arrange(node, children) {
    let at = node.firstChild;

    for (const item of children.filter(Boolean)) {
        const child = typeof item === "string" ? document.createTextNode(item) : item;
        if (child === at)
            at = at.nextSibling;
        else
            node.insertBefore(child, at);
    }
    while (at) {
        const next = at.nextSibling;
        at.remove();
        at = next;
    }
}

// Children of node, one per key, each made once: keep(items, key, make, update)
export class Keyed {
    constructor(node) {
        this.node = node;
        this.made = new Map();
    }

    show(items, key, make, update) {
        const now = new Map();

        for (const item of items) {
            const k = key(item);
            const child = this.made.get(k) || make(item);
            update(child, item);
            now.set(k, child);
        }
        this.made = now;
        arrange(this.node, [...now.values()].map(child => child.node));
    }
}

let fields = 0;

// Make an input with its label and, below it, help.
export function field(label, input, help) {
    input.id = input.id || "nfv-field-" + ++fields;
    if (!help)
        return h("div", { class: "field" }, h("label", { for: input.id, text: label }), input);
    input.setAttribute("aria-describedby", input.id + "-help");
    return h("div", { class: "field" }, h("label", { for: input.id, text: label }), input,
        h("div", { class: "help", id: input.id + "-help", text: help }));
}

export function button(text, onclick, kind) {
    return h("button", { type: "button", class: "btn " + (kind || "secondary"), onclick }, text);
}

// Make a command that can be copied.
export function command(text) {
    const copy = h("button", { type: "button", class: "btn link", "aria-label": "Copy: " + text }, "Copy");

    copy.addEventListener("click", () => navigator.clipboard.writeText(text).then(
        () => setText(copy, "Copied"), () => setText(copy, "Not copied")));
    return h("span", { class: "command" }, h("code", { text }), copy);
}

// Show a refusal or failure with nfvd's message.
export function failure(error) {
    return h("div", { class: "alert danger", role: "alert" }, h("strong", { text: error.message }),
        error.hint ? h("div", { class: "hint" }, "Try: ", command(error.hint)) : null);
}

export function section(title, ...children) {
    return h("section", { class: "card", "aria-label": title }, h("h2", { text: title }), ...children);
}

// Disable the control, and show the reason, also to screen readers; null enables it.
export function allow(control, reason) {
    control.disabled = Boolean(reason);
    setAttr(control, "title", reason);
}

export function empty(text) {
    return h("p", { class: "empty", text });
}
