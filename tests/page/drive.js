// SPDX-License-Identifier: BSD-3-Clause
// What a user does with the Cockpit page, in Chromium. For tests/integration/27-page.sh, which has made the network.
// One line per result, as in tests/lib.sh; status 1 if one is not ok.
"use strict";
const { chromium } = require("playwright-core");
const { spawn, execFileSync } = require("child_process");
const { openSync, statSync } = require("fs");
const assert = require("assert");

const { NFVD, NFVCTL, WORK, SHOTS, KVMS } = process.env;
const ADMIN = "http://127.0.0.1:9090", READER = "http://127.0.0.1:9091", NOBODY = "http://127.0.0.1:9092";
const PAGE = "/cockpit/@localhost/nfv/index.html";
const PATIENCE = Number(process.env.PATIENCE || 20000);    // ms, on a busy machine
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

// Container FROM sends to 10.0.0.TO, until all of it ends.
const talk = (from, to, rate) => spawn("ip", ["netns", "exec", from, "iperf3", "-c", "10.0.0." + to, "-t", "200", "-b", rate], { stdio: "ignore" });

// ---- nfvd, which the page outlives ----

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

const complaints = [];

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

// kind: "rx", what comes from the port, also what is then dropped, or "tx", what is delivered to it. For so many milliseconds.
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

async function attachOne(page) {
    await page.getByRole("button", { name: "Attach a port" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name of the port").fill("c5");
    // A refusal is shown as nfvd words it, and not as HTML.
    await dialog.getByLabel("Device", { exact: true }).fill("<img src=x>");
    await dialog.getByLabel("Network namespace").fill("c5");
    await dialog.getByRole("button", { name: "Attach", exact: true }).click();
    await dialog.getByRole("alert").filter({ hasText: "<img src=x" }).waitFor();
    assert.strictEqual(await page.locator("img").count(), 0);
    await dialog.getByLabel("Device", { exact: true }).fill("eth0");
    await dialog.getByRole("button", { name: "Attach", exact: true }).click();
    await dialog.getByText("c5 is attached").waitFor();
    await dialog.getByText("It is up.").waitFor();
    await dialog.getByRole("button", { name: "Show c5" }).click();
    await page.locator("h1", { hasText: "c5" }).waitFor();
    assert(nfvctl("show", "c5").ports[0].state === "up");
}

async function setWord(page, word, value) {
    const input = page.getByLabel(word, { exact: true });

    await input.fill(value);
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByText("Applied:").waitFor();
}

// Take pictures of the whole content, in the requested colours.
async function shots(page, views) {
    for (const scheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme: scheme });
        for (const width of [1000, 400]) {
            await page.setViewportSize({ width, height: 800 });
            for (const [name, path, ready] of views) {
                await go(page, path);
                await page.locator(ready).first().waitFor();
                await page.screenshot({ path: SHOTS + "/" + name + "-" + width + "-" + scheme + ".png" });
                const wide = await page.evaluate(() => document.documentElement.scrollWidth);
                assert(wide <= width, name + " is " + wide + " px wide, of " + width);
            }
        }
    }
}

async function keyboard(page) {
    await go(page, "matrix");
    await page.locator(".grid td[tabindex='0']").waitFor();
    await page.locator("input[type=search]").focus();
    await page.keyboard.press("Tab");
    assert(await page.evaluate(() => document.activeElement.matches(".grid td")), "Tab leads into the matrix");
    assert(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== "none"), "the focus can be seen");
    const before = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    assert(before !== await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "arrows go from pair to pair");
    // Each control has a name.
    for (const path of ["ports", "ports/c1", "matrix", "events", "results"]) {
        await go(page, path);
        await page.waitForTimeout(100);
        const nameless = await page.evaluate(() => [...document.querySelectorAll("button, a, input, select")].filter(e =>
            !e.textContent.trim() && !e.getAttribute("aria-label") && !(e.labels && e.labels.length)).map(e => e.outerHTML));
        assert.deepStrictEqual(nameless, []);
    }
}

async function asAdmin(context) {
    const page = await open(context, ADMIN);

    await check("all ports are there", async () => {
        await until(page, n => document.querySelectorAll("table.ports tbody tr").length >= n, Number(KVMS) + 5);
        await page.getByText("your role: admin").waitFor();
    });
    await check("search among them", async () => {
        await page.getByLabel("Search ports").fill("vm137");
        await until(page, () => document.querySelectorAll("table.ports tbody tr").length === 1);
        await rows(page).getByRole("link", { name: "vm137" }).waitFor();
        await page.getByLabel("Search ports").fill("veth up");
        await until(page, () => document.querySelectorAll("table.ports tbody tr").length === 4);
        await page.getByLabel("Search ports").fill("");
    });
    await check("what a device is called is text", async () => {
        await page.getByLabel("Search ports").fill("<HR>");
        await rows(page).getByText("<hr>", { exact: true }).waitFor();
        assert.strictEqual(await page.locator("hr").count(), 0);
        await page.getByLabel("Search ports").fill("");
    });
    await check("of 200 ports it draws little", async () => {
        const cdp = await context.newCDPSession(page);
        await cdp.send("Performance.enable");
        const busy = async () => (await cdp.send("Performance.getMetrics")).metrics.find(m => m.name === "TaskDuration").value;
        const before = await busy(), start = Date.now();
        await page.waitForTimeout(2000);
        const share = (await busy() - before) * 1000 / (Date.now() - start);
        assert(share < 0.5, "busy for " + share);
        return "Chromium's main thread is busy for " + (share * 100).toFixed(1) + " % of the time";
    });
    await check("attach from the page; what is refused is text", () => attachOne(page));
    await check("the matrix moves, within a second or so", async () => {
        await go(page, "matrix");
        await page.locator(".grid").waitFor();
        talk("c1", 2, "80M");
        await until(page, () => [...document.querySelectorAll(".grid td")].some(td => /^c1 to c2: [\d.]+ Mb/.test(td.getAttribute("aria-label"))));
        const counted = () => nfvctl("ledger", "c1", "c2").pairs.find(p => p.src === "c1").frames;
        const at = counted();
        assert(counted() >= at);
    });
    await check("a port's rate is on its page", async () => {
        await go(page, "ports/c1");
        return inMb(await rateIs(page, "rx", rate => rate > 4e7));
    });
    await check("what happens is shown within a second", async () => {
        const start = Date.now();
        nfvctl("set", "c1", "zone", "blue");
        await until(page, () => [...document.querySelectorAll(".field")].some(f => f.firstChild.textContent === "zone" && f.querySelector("input").value === "blue"));
        const ms = Date.now() - start;
        nfvctl("set", "c1", "zone", "default");
        assert(ms < 1500, ms + " ms");
        return ms + " ms";
    });
    await check("limit a port, and its rate obeys", async () => {
        await setWord(page, "from", "8Mbit");
        assert.strictEqual(nfvctl("show", "c1").ports[0].policy.from, "8Mbit");
        await go(page, "ports/c2");
        const rate = await rateIs(page, "tx", r => r > 5e5 && r < 1e7, 1500);
        await go(page, "ports/c1");
        return inMb(rate);
    });
    await check("the reason of a dropped frame is there, and what it means", async () => {
        const row = page.locator("tr", { hasText: "limit_from" });
        await row.waitFor();
        assert((await row.locator("td").nth(2).textContent()).length > 10);
    });
    await check("what nfvd refuses comes with its hint", async () => {
        await page.getByLabel("from", { exact: true }).fill("quickly");
        await page.getByRole("button", { name: "Apply" }).click();
        await page.getByRole("alert").waitFor();
        const told = await page.getByRole("alert").innerText();
        await page.getByRole("button", { name: "Undo" }).click();
        assert.strictEqual(await page.getByLabel("from", { exact: true }).inputValue(), "8Mbit");
        return told.replace(/\s+/g, " ");
    });
    await check("quarantine, and release", async () => {
        await page.getByRole("button", { name: "Quarantine", exact: true }).click();
        await page.locator(".one-port .badge.quarantine").first().waitFor();
        await page.locator(".alert.warning", { hasText: "quarantine" }).waitFor();
        await page.locator("code", { hasText: "nfvctl release c1" }).waitFor();
        await page.locator("tr", { hasText: "quarantine" }).first().waitFor();
        const delivered = () => nfvctl("ledger", "c1", "c2").pairs.find(p => p.src === "c1").frames;
        const before = delivered();
        await page.waitForTimeout(300);
        assert.strictEqual(delivered(), before);
        await page.getByRole("button", { name: "Release", exact: true }).click();
        await page.locator(".one-port .badge.up").waitFor();
    });
    await check("the events tell of it", async () => {
        await go(page, "events");
        await page.locator(".events li", { hasText: "released from quarantine" }).waitFor();
    });
    await check("results of bench are plots", async () => {
        await go(page, "results");
        await page.getByLabel("Folder of results").fill(WORK + "/results");
        await page.getByRole("button", { name: "Read" }).click();
        await page.getByText("Throughput, Gb/s").waitFor();
        await page.getByText("c1 - c2").first().waitFor();
    });
    await check("the keyboard is enough", () => keyboard(page));
    nfvctl("set", "c1", "from", "none");
    [["c3", 1, "5M"], ["c4", 3, "300M"], ["c5", 4, "500K"], ["c2", 5, "40M"]].forEach(all => talk(...all));
    await go(page, "matrix");
    await page.locator(".grid td[aria-label^='c4 to c3'][class^='heat5']").waitFor();
    await check("1000 and 400 pixels, light and dark", () => shots(page, [["ports", "ports", "table.ports tbody tr"],
        ["port", "ports/c1", "table[aria-label=Dropped] tbody tr"], ["matrix", "matrix", ".grid td[tabindex]"], ["events", "events", ".events li"],
        ["results", "results", ".bars"]]));
    return page;
}

async function restarted(page) {
    await page.setViewportSize({ width: 1000, height: 800 });
    await go(page, "ports/c1");
    await page.locator("h1").waitFor();
    await stopNfvd("SIGKILL");
    await page.locator("#banner", { hasText: "nfvd is not running" }).waitFor();
    await page.locator("#banner code", { hasText: "systemctl start nfvd" }).waitFor();
    assert(await page.getByRole("button", { name: "Quarantine", exact: true }).isDisabled(), "nothing can be changed meanwhile");
    await page.screenshot({ path: SHOTS + "/gone.png" });
    await page.reload();
    await page.locator("#banner.danger", { hasText: "nfvd is not running" }).waitFor();
    await startNfvd();
    await page.locator(".one-port .badge.up").waitFor();
    await stopNfvd("SIGTERM");
    await page.locator("#banner", { hasText: "nfvd is not running" }).waitFor();
    await startNfvd();
    await page.locator("#banner", { hasText: "nfvd has been restarted" }).waitFor();
    await page.locator(".one-port .badge.up").waitFor();
    await rateIs(page, "rx", rate => rate > 1e6);
}

async function asReader(context) {
    const page = await open(context, READER, "ports/c1");

    await check("who may only read sees why", async () => {
        await page.getByText("your role: read").waitFor();
        await page.getByText("This needs the role admin; yours is read").waitFor();
        assert(await page.getByLabel("from", { exact: true }).isDisabled());
        assert(await page.getByRole("button", { name: "Apply" }).isDisabled());
        assert(await page.getByRole("button", { name: "Quarantine", exact: true }).isDisabled());
        assert.match(await page.getByRole("button", { name: "Detach" }).getAttribute("title"), /role operate/);
        await page.screenshot({ path: SHOTS + "/reader.png" });
    });
    await check("and is refused by nfvd, whatever the page lets him do", async () => {
        await page.evaluate(() => {
            const button = [...document.querySelectorAll("button")].find(b => b.textContent === "Quarantine");
            button.disabled = false;
            button.click();
        });
        const alert = page.getByRole("alert");
        await alert.filter({ hasText: "permission denied" }).waitFor();
        await alert.filter({ hasText: "usermod -aG" }).waitFor();
        assert(nfvctl("show", "c1").ports[0].state === "up");
        await page.screenshot({ path: SHOTS + "/refused.png" });
    });
    await page.close();
    await check("who may nothing is told what he lacks", async () => {
        const closed = await open(context, NOBODY);
        await closed.locator("#banner.danger", { hasText: "You may not ask nfvd" }).waitFor();
        await closed.getByText("usermod -aG nfv-read").waitFor();
        await closed.close();
        pages.pop();
    });
}

// As Cockpit shows it, beside its menu; README has this picture.
async function inShell(context) {
    const page = await context.newPage();

    page.setDefaultTimeout(PATIENCE);
    await page.setViewportSize({ width: 1000, height: 560 });
    const response = page.waitForResponse(r => r.url().endsWith("/nfv/index.html"));
    await page.goto(ADMIN + "/nfv#/matrix");
    assert.match((await response).headers()["content-security-policy"], /default-src 'none'/);
    const frame = page.frameLocator("iframe[name='cockpit1:localhost/nfv']");
    await frame.locator(".grid td.heat5").first().waitFor();
    await page.screenshot({ path: SHOTS + "/page.png" });
    assert(statSync(SHOTS + "/page.png").size < 60000, "README's picture is too large");
    await page.close();
}

async function main() {
    const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync"];

    await startNfvd();
    const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args });
    const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, permissions: ["clipboard-write"], reducedMotion: "reduce" });
    try {
        const page = await asAdmin(context);
        await check("as Cockpit shows it; its policy refuses what is not its own", () => inShell(context));
        await asReader(context);
        await check("nothing is complained of", () => assert.deepStrictEqual(complaints, []));
        await check("nfvd is killed and started again under it", () => restarted(page));
    } finally {
        await browser.close();
        await stopNfvd("SIGTERM");
    }
}

main().then(() => process.exit(failed ? 1 : 0), error => {
    console.log("not ok - page: the driver\n" + String(error.stack).replace(/^/gm, "  "));
    process.exit(1);
});
