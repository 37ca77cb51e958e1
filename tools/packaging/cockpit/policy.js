// SPDX-License-Identifier: BSD-3-Clause
// A port's policy: a field for each word that nfvd knows. Only changed words are sent.
import { h, field, button, failure, allow, arrange, section, setText } from "./dom.js";

const OWN_COMMAND = "quarantine";       // it has a button

export function policyForm(app, name) {
    const words = app.words().filter(w => w.word !== OWN_COMMAND);
    const inputs = new Map(words.map(w => [w.word, h("input", { type: "text", autocomplete: "off", spellcheck: "false",
        placeholder: w.default })]));
    const save = h("button", { type: "submit", class: "btn primary" }, "Apply");
    const undo = button("Undo", () => { dirty.clear(); view.update() });
    const result = h("div");
    const reason = h("p", { class: "reason" });
    const dirty = new Set();
    const view = {};
    let said = {};

    const fields = words.map(w => {
        const input = inputs.get(w.word);
        input.addEventListener("input", () => {
            if (input.value.trim() === (said[w.word] || ""))
                dirty.delete(w.word);
            else
                dirty.add(w.word);
            buttons();
        });
        return field(w.word, input, w.arguments + ": " + w.help);
    });

    function buttons() {
        const denied = app.denied("policy.set");
        for (const input of inputs.values())
            allow(input, denied);
        allow(save, denied);
        save.disabled = save.disabled || !dirty.size;
        undo.hidden = !dirty.size;
        setText(reason, denied || "");
        reason.hidden = !denied;
    }

    view.update = () => {
        const port = app.model.ports.get(name);
        said = (port && port.said.policy) || {};
        for (const [word, input] of inputs)
            if (!dirty.has(word) && input.value !== (said[word] || ""))
                input.value = said[word] || "";
        buttons();
    };

    const form = h("form", { class: "form columns" }, fields, h("div", { class: "wide" }, reason, result,
        h("div", { class: "actions" }, save, undo)));
    form.addEventListener("submit", async event => {
        event.preventDefault();
        const params = { port: name };
        for (const w of words)
            if (dirty.has(w.word))
                params[w.word] = inputs.get(w.word).value.trim() || "default";
        arrange(result, []);
        try {
            const set = await app.rpc.call("policy.set", params);
            dirty.clear();
            const port = app.model.ports.get(name);
            if (port)
                port.said.policy = set.policy;
            arrange(result, [h("p", { class: "good", role: "status" }, "Applied: no frame is on its way by the old policy.")]);
            view.update();
            app.soon();
        } catch (error) {
            arrange(result, [failure(error)]);
        }
    });
    view.node = section("Policy", form);
    return view;
}
