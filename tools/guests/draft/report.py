#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""report.py RESULT.json REPORT.html - a page of what `nfvctl bench draft` has measured."""

import html
import json
import math
import shlex
import sys

# For each table: title, unit, [(series, member of a row, published member)].
TABLES = [
    ("instantiation", "Instantiation", "ms", "from create to the first RST in response to a SYN",
     [("nfvd", "nfvd", "published_ms"), ("nfvd, port made ahead", "ahead", None), ("bridge", "bridge", None),
      ("bridge, port made ahead", "bridge_ahead", None)]),
    ("throughput", "Throughput", "Gb/s", "TCP between guest and a container of the host",
     [("Tx", "tx", "published_tx"), ("Rx", "rx", "published_rx")]),
    ("rtt", "Round trip", "ms", "echoes from a container of the host; published: from another machine",
     [("average", "avg", "published_ms"), ("p50", "p50", None), ("p99", "p99", None)]),
    ("image", "Image", "MB", "all files that are loaded", [("size", "size", "published_mb")]),
    ("memory", "Memory", "MB", "resident of the VMM, or of the control group, or what xl says; and the least a guest boots with",
     [("used", "used", "published_mb"), ("needed (MiB)", "need", None)]),
]

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; } th, td { padding: .25em .8em; text-align: right; }
th { border-bottom: 1px solid #888; } td:first-child, th:first-child, td.text, th.text { text-align: left; }
pre { background: #f4f4f4; padding: .6em; white-space: pre-wrap; word-break: break-all; font-size: 12px; }
.note { color: #a40; } svg text { font: 12px system-ui, sans-serif; fill: #222; }
"""
COLOURS = ["#2a6fb0", "#8fbbe0", "#c9a227", "#e4d08f"]
LEFT, WIDTH, BAR = 160, 560, 11


def e(text):
    return html.escape(str(text))


def plot(rows, series, unit):
    """Bars on a logarithmic axis, their spread as a line; what was published as a diamond."""
    values = [row[key][end] for row in rows for _, key, _ in series if key in row for end in ("min", "max")]
    values += [row[p] for row in rows for _, _, p in series if p in row]
    values = [v for v in values if v > 0]
    if not values:
        return "<p>Nothing was measured.</p>"
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 1e-9)
    high = max(high, low + 1)

    def x(value):
        return LEFT + WIDTH * (math.log10(max(value, 10 ** low)) - low) / (high - low)

    out, y = [], 22
    for row in rows:
        top = y
        emulated = row.get("note") == "emulated"
        for n, (name, key, published) in enumerate(series):
            if key in row:
                s = row[key]
                middle = y + BAR / 2
                out.append(f'<rect x="{LEFT}" y="{y}" width="{max(1, x(s["median"]) - LEFT):.1f}" height="{BAR - 2}" '
                           f'fill="{COLOURS[n]}" opacity="{0.45 if emulated else 1}">'
                           f'<title>{e(name)}: {e(s["text"])} {unit}, n = {s["n"]}</title></rect>'
                           f'<path d="M{x(s["min"]):.1f} {middle - 1} H{x(s["max"]):.1f}" stroke="#222"/>')
            if published in row:
                out.append(f'<path d="M{x(row[published]):.1f} {y - 1} l5 5 l-5 5 l-5 -5 z" fill="#b03030">'
                           f'<title>published: {row[published]:g} {unit}</title></path>')
            y += BAR
        label = e(row["technology"]) + (" *" if emulated else "")
        out.append(f'<text x="{LEFT - 8}" y="{(top + y) / 2 + 4}" text-anchor="end">{label}</text>')
        y += 8
    for power in range(low, high + 1):
        at = x(10 ** power)
        out.append(f'<path d="M{at:.1f} 18 V{y}" stroke="#ccc"/>'
                   f'<text x="{at:.1f}" y="13" text-anchor="middle">{10.0 ** power:g}</text>')
    legend = "".join(f'<tspan fill="{COLOURS[n]}">■ </tspan>{e(name)}   ' for n, (name, _, _) in enumerate(series))
    out.append(f'<text x="{LEFT}" y="{y + 16}">{legend}<tspan fill="#b03030">◆ </tspan>published   '
               f'* emulated   ({unit}, logarithmic)</text>')
    return (f'<svg viewBox="0 0 {LEFT + WIDTH + 30} {y + 24}" width="100%" role="img">' + "".join(out) + "</svg>")


def table(rows, series):
    # No ratio if the published figure is for other hardware, or another path.
    ratios = {p for _, _, p in series if any(f"{p}_ratio" in row for row in rows)}
    head = "".join(f"<th>{e(name)}</th>" + ("<th>published</th>" if p else "") + ("<th>×</th>" if p in ratios else "")
                   for name, _, p in series)
    out = [f"<table><tr><th>technology</th>{head}<th class=text></th></tr>"]
    for row in rows:
        cells = ""
        for _, key, published in series:
            cells += f'<td>{e(row[key]["text"]) if key in row else "–"}</td>'
            if published:
                ratio = row.get(published + "_ratio")
                cells += f'<td>{row[published]:g}</td>' if published in row else "<td>–</td>"
                if published in ratios:
                    cells += f"<td>{ratio:.2g}</td>" if ratio is not None else "<td></td>"
        out.append(f'<tr><td>{e(row["technology"])}</td>{cells}<td class="text note">{e(row.get("note", ""))}</td></tr>')
    return "".join(out) + "</table>"


def steps(rows):
    """What instantiation consists of."""
    keys = [("attach", "attach_ms"), ("create", "create_ms"), ("boot", "boot_ms"), ("network", "network_ms"),
            ("attach, bridge", "bridge_attach_ms")]
    shown = [row for row in rows if any(key in row for _, key in keys)]
    return table(shown, [(name, key, None) for name, key in keys]) if shown else ""


def details(name, tech):
    out = [f"<h3>{e(name)}</h3>"]
    if "host" in tech:
        out.append("<p>On another host: " + "; ".join(f"{e(key)}: {e(value)}" for key, value in tech["host"].items()) + "</p>")
    for file in tech.get("image", {}).get("files", []):
        out.append(f'<p>{e(file["path"])}: {file["bytes"]} bytes, sha256 <code>{e(file["sha256"])}</code></p>')
    for way, words in tech.get("commands", {}).items():
        out.append(f"<p>{e(way)}:</p><pre>{e(shlex.join(words))}</pre>")
    return "".join(out) if len(out) > 1 else ""


def page(result):
    host = result["host"]
    out = ["<!doctype html><html lang=en><meta charset=utf-8><title>bench draft</title>", f"<style>{STYLE}</style>",
           f"<h1>{e(result['draft'])}, section 4, on this host</h1><p>",
           "<br>".join(f"{e(key)}: {e(value)}" for key, value in host.items()), "</p>",
           "<p>Medians (min–max). <b>Emulated</b>: QEMU without KVM; compare with other emulated figures of this page only.</p>"]
    for key, title, unit, what, series in TABLES:
        rows = result["tables"][key]
        out += [f"<h2>{title}, {unit}</h2><p>{e(what)}</p>", plot(rows, series, unit), table(rows, series)]
        if key == "instantiation":
            out.append(steps(rows))
    out.append("<h2>Images and commands</h2>")
    out += [details(name, tech) for name, tech in result["technologies"].items()]
    return "\n".join(out) + "</html>\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as f:
        result = json.load(f)
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write(page(result))


main()
