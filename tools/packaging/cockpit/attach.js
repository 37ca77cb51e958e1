// SPDX-License-Identifier: BSD-3-Clause
// Attach and detach, in a dialog each.
import { h, field, button, failure, command, arrange } from "./dom.js";

// Parameters of port.attach by type: [key, label, help, required, a number?]
const TYPES = {
    veth: ["Container, or another veth", [
        ["dev", "Device", "eth0 of the container, or the host's end of the veth", true],
        ["netns", "Network namespace of the device", "name or path; empty: nfvd's own"],
        ["pid", "or a process in that namespace", "a number, as podman inspect prints it", false, true]]],
    kvm: ["KVM guest (vhost-user)", [
        ["queues", "Queue pairs", "1 to 8; empty: 1", false, true],
        ["owner", "Owner of the socket", "user number, for a QEMU that is not root's", false, true],
        ["group", "Group of the socket", "group number", false, true]]],
    netdev: ["Network device: NIC, bond, tap, VXLAN", [
        ["dev", "Device", "the host is not heard on it any longer", true]]],
    xen: ["Xen guest", [
        ["domid", "Domain", "number of the guest, as xl list prints it", true, true],
        ["devid", "Interface", "empty: 0", false, true]]],
};
const POLICY = ["zone", "vlan", "address"];

function dialog(title, ...children) {
    const node = h("dialog", { "aria-label": title }, h("h2", { text: title }), ...children);

    document.body.append(node);
    node.addEventListener("close", () => node.remove());
    node.showModal();
    return node;
}

function text(required) {
    return h("input", { type: "text", autocomplete: "off", spellcheck: "false", required });
}

// Show the result; if the port is not up, with the reason.
function done(app, node, port) {
    const to = button("Show " + port.name, () => { node.close(); app.go(["ports", port.name]) }, "primary");

    arrange(node, [h("h2", { text: port.name + " is attached" }),
        h("p", { text: port.state === "up" ? "It is up." : "It is " + port.state + ": " + (port.why || "") }),
        port.socket ? h("p", {}, "QEMU connects to ", command(port.socket)) : null,
        port.hint ? h("p", {}, "Try: ", command(port.hint)) : null,
        h("div", { class: "actions" }, to, button("Close", () => node.close()))]);
    to.focus();
}

function params(type, name, inputs, words) {
    const asked = { type, name };

    for (const [key, , , , number] of TYPES[type][1]) {
        const value = inputs.get(key).value.trim();
        if (value)
            asked[key] = number && /^\d+$/.test(value) ? Number(value) : value;
    }
    for (const key of POLICY)
        if (words.get(key).value.trim())
            asked[key] = words.get(key).value.trim();
    return asked;
}

export function openAttach(app) {
    const type = h("select", {}, Object.keys(TYPES).map(key => h("option", { value: key, text: TYPES[key][0] })));
    const name = text(true);
    const own = h("div");
    const result = h("div");
    const submit = h("button", { type: "submit", class: "btn primary" }, "Attach");
    const words = new Map(POLICY.map(key => [key, text()]));
    let inputs = new Map();

    function retype() {
        const fields = TYPES[type.value][1];
        inputs = new Map(fields.map(([key, , , required]) => [key, text(required)]));
        arrange(own, fields.map(([key, label, help]) => field(label, inputs.get(key), help)));
    }

    const form = h("form", { class: "form" }, field("Type", type),
        field("Name of the port", name, "letters, digits, _ . and -, at most 31"), own,
        h("details", {}, h("summary", {}, "Policy"), app.words().filter(w => words.has(w.word)).map(w =>
            field(w.word, words.get(w.word), w.arguments + ": " + w.help + "; empty: " + w.default))),
        result, h("div", { class: "actions" }, submit, button("Cancel", () => node.close())));
    const node = dialog("Attach a port", form);

    retype();
    type.addEventListener("change", retype);
    form.addEventListener("submit", async event => {
        event.preventDefault();
        submit.disabled = true;
        arrange(result, []);
        try {
            done(app, node, await app.rpc.call("port.attach", params(type.value, name.value.trim(), inputs, words)));
            app.soon();
        } catch (error) {
            arrange(result, [failure(error)]);
        }
        submit.disabled = false;
    });
    name.focus();
}

export function openDetach(app, name) {
    const result = h("div");
    const yes = button("Detach", async () => {
        try {
            await app.rpc.call("port.detach", { name });
            node.close();
            app.go(["ports"]);
            app.soon();
        } catch (error) {
            arrange(result, [failure(error)]);
        }
    }, "danger");
    const node = dialog("Detach " + name + "?",
        h("p", { text: "Nothing reaches its guest or container by nfvd any longer. A device is as it was before." }), result,
        h("div", { class: "actions" }, yes, button("Cancel", () => node.close())));

    yes.focus();
}
