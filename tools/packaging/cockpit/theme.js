// SPDX-License-Identifier: BSD-3-Clause
// Follow the user's choice of dark or light in Cockpit. Cockpit's own pages have a class for dark, which has had three
// names; this page's class is nfv-dark.

const CLASSES = ["nfv-dark", "pf-theme-dark", "pf-v5-theme-dark", "pf-v6-theme-dark"];
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function apply(style) {
    const chosen = style || localStorage.getItem("shell:style") || "auto";
    const on = chosen === "dark" || (chosen === "auto" && dark.matches);

    CLASSES.forEach(name => document.documentElement.classList.toggle(name, on));
}

export function follow() {
    window.addEventListener("storage", event => event.key === "shell:style" && apply());
    window.addEventListener("cockpit-style", event => apply(event.detail && event.detail.style));
    dark.addEventListener("change", () => apply());
    apply();
}
