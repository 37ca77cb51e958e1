// SPDX-License-Identifier: BSD-3-Clause
// For drive.js: results, nfvd, pages of the browser, rates on a page.
"use strict";
const { spawn, execFileSync } = require("child_process");
const { openSync } = require("fs");
const assert = require("assert");

const { NFVD, NFVCTL, WORK, SHOTS } = process.env;
const PAGE = "/cockpit/@localhost/nfv/index.html";
const PATIENCE = Number(process.env.PATIENCE || 60000);    // ms, on a busy machine
const log = openSync(WORK + "/page-nfvd.log", "a");
let failed = 0, mark = Date.now();

const nfvctl = (...args) => JSON.parse(execFileSync(NFVCTL, ["-j", ...args], { encoding: "utf8" }));

const pages = [];               // of the browser; the last one is in use

async function check(name, body) {
    try {
        const note = await body();
        console.log("ok - page: " + name + " (" + ((Date.now() - mark) / 1000).toFixed(1) + " s)" + (note ? "\n  " + note : ""));
    } catch (error) {
        console.log("not ok - page: " + name + "\n" + String(error.stack || error).replace(/^/gm, "  "));
        failed++;
        await pages[pages.length - 1].screenshot({ path: SHOTS + "/failed-" + failed + ".png" }).catch(() => null);
    }
    mark = Date.now();
}

// Container FROM sends to 10.0.0.TO until the test ends.
const talk = (from, to, rate) => spawn("ip", ["netns", "exec", from, "iperf3", "-c", "10.0.0." + to, "-t", "3000", "-b", rate], { stdio: "ignore" });

// ---- nfvd, which is restarted under the page ----

let nfvd = null;

async function startNfvd() {
    nfvd = spawn(NFVD, ["--state-dir", "/run/nfvd", "--keep", "--config-dir", WORK + "/kept"], { stdio: ["ignore", log, log] });
    for (const until = Date.now() + PATIENCE; ;) {
        try {
            return nfvctl("show");
        } catch (e) {
            assert(Date.now() < until, "nfvd does not respond");
        }
    }
}

function stopNfvd(signal) {
    const ended = nfvd.exitCode !== null || nfvd.signalCode !== null;

    return ended || new Promise(resolve => { nfvd.on("exit", resolve); nfvd.kill(signal) });
}

// ---- the page ----

const complaints = [];         // errors of the browser's console

async function open(context, host, path) {
    const page = await context.newPage();

    pages.push(page);
    page.setDefaultTimeout(PATIENCE);
    page.on("pageerror", error => complaints.push(String(error)));
    page.on("console", message => message.type() === "error" && complaints.push(message.text()));
    await page.goto(host + PAGE + "#/" + (path || ""));
    return page;
}

const go = (page, path) => page.evaluate(hash => { location.hash = hash }, "#/" + path);
const rows = page => page.locator("table.ports tbody tr");
const until = (page, what, arg) => page.waitForFunction(what, arg, { timeout: PATIENCE, polling: 50 });

// "12.3 Mb/s": bits a second
function bits(text) {
    const [, n, unit] = /([\d.]+) ([kMGT]?)b\/s/.exec(text);
    return n * { "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 }[unit];
}

// Wait until the page shows a rate for which wanted() is true, during `steady` milliseconds if given. kind: "rx", frames from the
// port, including dropped ones, or "tx", frames to the port.
async function rateIs(page, kind, wanted, steady) {
    let rate, since = 0;

    for (const end = Date.now() + PATIENCE; Date.now() < end; await page.waitForTimeout(50)) {
        rate = bits(await page.locator(".figures .key." + kind + " strong").textContent());
        if (!wanted(rate))
            since = 0;
        else if (!steady || (since && Date.now() - since >= steady))
            return rate;
        else
            since = since || Date.now();
    }
    throw new Error("the page says " + rate + " b/s");
}

const inMb = rate => (rate / 1e6).toFixed(1) + " Mb/s";

const failures = () => failed;

module.exports = { PATIENCE, nfvctl, pages, check, failures, talk, startNfvd, stopNfvd, complaints, open, go, rows, until, rateIs, inMb };
