// SPDX-License-Identifier: BSD-3-Clause
// Format numbers for people: three significant digits, and a unit.

const STEPS = ["", "k", "M", "G", "T"];

function scaled(n, unit) {
    let step = 0;

    while (n >= 999.5 && step < STEPS.length - 1) {
        n /= 1000;
        step++;
    }
    const digits = n >= 99.5 || (step === 0 && n >= 9.95) ? 0 : n >= 9.95 ? 1 : step === 0 && n >= 1 ? 1 : 2;
    return (n === 0 ? "0" : n.toFixed(digits)) + " " + STEPS[step] + unit;
}

export const bits = bytesPerSecond => scaled(bytesPerSecond * 8, "b/s");
export const frames = perSecond => scaled(perSecond, "pps");
export const short = n => scaled(n, "").replace(" ", "").trim();
export const bytes = n => scaled(n, "B");
export const whole = n => Number(n).toLocaleString("en");
export const percent = ratio => (ratio * 100).toFixed(ratio > 0 && ratio < 0.1 ? 1 : 0) + " %";
export const ratio = n => n.toFixed(2);
export const plural = (n, word) => whole(n) + " " + word + (n === 1 ? "" : "s");

export function seconds(s) {
    if (s < 60)
        return Math.floor(s) + " s";
    if (s < 3600)
        return Math.floor(s / 60) + " min";
    if (s < 86400)
        return Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
    return plural(Math.floor(s / 86400), "day");
}

export function clock(ms) {
    const t = new Date(ms);
    const time = t.toLocaleTimeString("en-GB");

    return t.toDateString() === new Date().toDateString() ? time : t.toLocaleDateString("en-CA") + " " + time;
}
