#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Medians, spread and ratios of raw benchmark samples, as JSON and as a table.

RAW has one JSON object per line, in the order of measuring:
  {"case", "who", "unit", "value"}   a sample. who: "nfvd", "nfvd_..." for a variant of it, or
                                     a peer. "idle": the share of time in which the generator was
                                     idle. "refused" in place of "value": no sample, because the
                                     generator was the limit. "figures": other figures of the same
                                     sample by name, which get no ratio
  {"case", "ledger": {"pairs"}, "ports": {"ports"}}
                                     nfvd's ledger after that case, and its ports where there are
                                     Xen guests; both are running totals, so differences count
A ratio is nfvd's value over the peer's; for times and costs (COSTS), the peer's over nfvd's: above 1 is better.
"""
import argparse
import datetime
import json
import os
import platform
import statistics
import sys

COSTS = ("us", "ms", "per frame")


def spread(values):
    return {"median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def summary(samples):
    values = [s["value"] for s in samples if "value" in s]
    result = {"refused": len(samples) - len(values)} if len(samples) > len(values) else {}
    if any("idle" in s for s in samples):
        result["generator_idle"] = [s["idle"] for s in samples]
    if values:
        result |= spread(values) | {"samples": [round(v, 3) for v in values]}
    figures = [s["figures"] for s in samples if "figures" in s]
    return result | {key: spread([f[key] for f in figures]) for key in (figures[0] if figures else ())}


def costs_of(line, names):
    """What has been paid until then; nfvctl show counts grants of Xen guests."""
    costs = {key: sum(p[key] for p in line["ledger"]["pairs"]) for key in ("frames", "copies")}
    if "ports" in line:
        ports = [p for p in line["ports"]["ports"] if p["name"] in names]
        costs |= {key: sum(p[key] for p in ports) for key in ("grant_ops", "grant_maps")}
    return costs


def per_frame(lines):
    """{case: {cost: per frame}}; a ledger smaller than the last is a new daemon's."""
    sums, last = {}, None
    for line in lines:
        names = line.get("of", ())
        now, before = costs_of(line, names), costs_of(last, names) if last else {}
        if now["frames"] < before.get("frames", 0):
            before = {}
        grown = sums.setdefault(line["case"], dict.fromkeys(now, 0))
        for key in now:
            grown[key] += now[key] - before.get(key, 0)
        last = line
    return {case: {key: round(n / grown["frames"], 4) for key, n in grown.items() if key != "frames"}
            for case, grown in sums.items() if grown["frames"]}


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release()}


def make_case(name, samples, costs, args):
    who = {}
    for s in samples:
        who.setdefault(s["who"], []).append(s)
    unit = samples[0]["unit"]
    ours = summary(who.pop("nfvd"))
    case = {"name": name, "unit": unit, "nfvd": ours, "peers": {}, "ratio": {},
            "copies_per_frame": None, "emulated": name in args.emulated}
    if args.guest and "vm" in name.split("-"):
        case["guest"] = args.guest
    case |= {f"{key}_per_frame": value for key, value in costs.items()}
    for other, values in who.items():
        theirs = summary(values)
        if other.startswith("nfvd_"):
            case[other] = theirs
            continue
        case["peers"][other] = theirs
        better, worse = (theirs, ours) if unit in COSTS else (ours, theirs)
        known = better.get("median") and worse.get("median")
        case["ratio"][other] = round(better["median"] / worse["median"], 2) if known else None
    return case


def cell(s):
    if "median" not in s:
        return "the generator was the limit"
    return f"{s['median']:.2f} ({s['min']:.2f}-{s['max']:.2f})" + (f", {s['refused']} refused" if "refused" in s else "")


def figure_rows(who):
    for name, s in who.items():
        if isinstance(s, dict):
            yield ["", name, "", cell(s), "", ""]


def rows_of(case):
    copies = "-" if case["copies_per_frame"] is None else f"{case['copies_per_frame']:.2f}"
    played = ", ".join(([case["guest"]] if "guest" in case else []) + (["emulated"] if case["emulated"] else []))
    yield [case["name"] + (f" ({played})" if played else ""), case["unit"], "nfvd", cell(case["nfvd"]), "",
           copies]
    yield from figure_rows(case["nfvd"])
    for key, s in case.items():
        if key.startswith("nfvd_"):
            yield ["", "", key.replace("nfvd_", "nfvd, ").replace("_", " "), cell(s), "", ""]
    for peer, s in case["peers"].items():
        ratio = case["ratio"][peer]
        yield ["", "", peer, cell(s), "-" if ratio is None else f"{ratio:.2f}", ""]
        yield from figure_rows(s)


def table(cases):
    rows = [["CASE", "UNIT", "WHO", "MEDIAN (MIN-MAX)", "RATIO", "COPIES/FRAME"]]
    rows += [row for case in cases for row in rows_of(case)]
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        print("  ".join(v.ljust(w) for v, w in zip(r, widths)).rstrip())


def make(args):
    with open(args.raw, encoding="utf-8") as f:
        lines = [json.loads(line) for line in f if line.strip()]
    costs = per_frame([x for x in lines if "ledger" in x])
    samples = [x for x in lines if "who" in x]
    names = list(dict.fromkeys(s["case"] for s in samples if s["who"] == "nfvd"))
    if not names:
        raise ValueError("no sample of nfvd")
    cases = [make_case(n, [s for s in samples if s["case"] == n], costs.get(n, {}), args) for n in names]
    table(cases)
    # What it was called before there was another.
    cases += [case | {"name": case["name"][:-4], "same_as": case["name"]} for case in cases if case["name"].endswith("-hot")]
    result = {"cases": cases, "machine": machine(), "command": args.command, "note": args.note, "smoke": args.smoke,
              "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}
    with open(args.out, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print(f"ratio: nfvd over peer, for times peer over nfvd; above 1 is better. In {args.out}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emulated", action="append", default=[], metavar="CASE")
    parser.add_argument("--guest", metavar="WHO", help="who plays the guest in the cases of a vm")
    parser.add_argument("--smoke", action="store_true", help="the samples are too short to tell anything")
    parser.add_argument("--note")
    parser.add_argument("--command", required=True)
    parser.add_argument("raw")
    parser.add_argument("out")
    args = parser.parse_args()
    try:
        make(args)
    except (OSError, ValueError) as error:
        sys.exit(f"report.py: {args.raw}: {error}")
    except (KeyError, TypeError) as error:
        sys.exit(f"report.py: {args.raw}: a line is not as described: {error!r}")


if __name__ == "__main__":
    main()
