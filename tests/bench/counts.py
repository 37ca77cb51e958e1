#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""counts.py DIR NFVD - from what counts.sh left in DIR: raw-counts.jsonl, samples for report.py, and
counts-profile.txt, the functions in which a frame's instructions are.

raw-counts.profile has two sections for each line of raw-counts-counted.jsonl: the first is of the warm-up rounds,
which do not count.
"""
import bisect
import collections
import json
import re
import subprocess
import sys

GUEST = range(0x400000, 0x40000000)		# vucount's own
KERNEL = 0xffff800000000000
# Each counted where it begins.
CALLS = {"syscalls": ("entry_SYSCALL_64",), "switches": ("__switch_to_asm",), "wakeups": ("enqueue_task_fair", "enqueue_task_rt")}
COPIES = {"copy_user_generic_string", "copy_user_enhanced_fast_string", "copy_user_generic_unrolled", "rep_movs_alternative",
          "rep_stos_alternative", "memcpy", "__memcpy", "memcpy_orig", "csum_partial_copy_generic"}
# Whose a function is, by its name and its module's; what none takes is of the ends' system calls, veth and skbs.
GROUPS = {
    "copies": re.compile("^(" + "|".join(COPIES) + ")$|^clear_page|page|folio|rmqueue|zone_|memcg|alloc_skb_with_frags"),
    "switching": re.compile(
        r"sched|psi_|load_avg|pick_next|queue_(task|entity)|__switch|switch_mm|update_curr|ttwu|try_to_wake|rcu_note_context|"
        r"finish_task|_entity|check_preempt|update_rq_clock|min_vruntime|resched_curr|wake_up_process|cpuacct|^rb_|cfs|hrtick|"
        r"calc_delta|clear_buddies|kthread_|gsbase|load_tls|fpregs|switch_fpu|rseq|record_times"),
    "vhost": re.compile(r"\[vhost"),
    "bridge, tap": re.compile(r"\[(bridge|tun)\]|^nbp_|codel|qdisc|sch_direct"),
    "BPF": re.compile(r"^bpf_prog|cls_bpf|tcf_|_redirect|htab_map|lookup_nulls|^jhash"),
    "nfv.ko": re.compile(r"\[nfv\]"),
}
SHOWN = 30					# functions of a profile


class Symbols:
    """Whose code an address is."""

    def __init__(self, folder, nfvd):
        found = {}
        with open(f"{folder}/raw-counts.kallsyms", encoding="ascii") as f:
            for line in f:
                address, kind, name, *module = line.split()
                if kind in "tTwW" or name.startswith("bpf_prog"):
                    found[int(address, 16)] = name + (" " + module[0] if module else "")
        self.objects = []
        base = None
        with open(f"{folder}/raw-counts.maps", encoding="utf-8") as f:
            for line in f:
                span, _, _, _, _, *path = line.split()
                start, end = (int(x, 16) for x in span.split("-"))
                self.objects.append((start, end, path[0].rsplit("/", 1)[-1] if path else "?"))
                if base is None and path and path[0].endswith("/nfvd"):
                    base = start
        names = subprocess.run(["nm", "--defined-only", nfvd], check=True, capture_output=True, text=True).stdout
        for line in names.splitlines():
            address, kind, name = line.split()
            if kind in "tTwW" and base is not None:
                found[int(address, 16) + base] = name + " [nfvd]"
        self.addresses = sorted(found)
        self.names = [found[a] for a in self.addresses]
        self.found = found

    def of(self, address):
        for start, end, name in self.objects:
            if start <= address < end and name != "nfvd":
                return f"[{name}]"
        i = bisect.bisect_right(self.addresses, address)
        return self.names[i - 1] if i else "?"


def sections(path):
    section = None
    with open(path, encoding="ascii") as f:
        for line in f:
            if line.startswith("section"):
                if section is not None:
                    yield section
                section = []
            else:
                address, insns, times = line.split()
                section.append((int(address, 16), int(insns), int(times)))
    yield section


def look(section, symbols):
    """Instructions by function, calls by name, and the sums."""
    where, calls, sums = collections.Counter(), collections.Counter(), collections.Counter()
    for address, insns, times in section:
        n = insns * times
        if address in GUEST:
            continue
        name = symbols.of(address)
        where[name] += n
        sums["instructions"] += n
        if address < KERNEL:
            sums["nfvd"] += n
        else:
            sums[next((group for group, names in GROUPS.items() if names.search(name)), "rest")] += n
        if address in symbols.found:
            calls[name] += times
    for key, names in CALLS.items():
        sums[key] = sum(calls[n] for n in names)
    return where, calls, sums


def read(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def values(line, section, symbols, profile):
    """What a frame cost in one case; its functions go to the profile."""
    frames = line["frames"]
    where, calls, sums = look(section, symbols)
    profile.write(f"\n{line['who']}, {line['case']}: {sums['instructions'] / frames:.0f} instructions per frame\n")
    for name, n in where.most_common(SHOWN):
        profile.write(f"{n / frames:10.1f} {100 * n / sums['instructions']:5.1f} %  {calls[name] / frames:8.3f} calls  {name}\n")
    found = {key: sums[key] / frames for key in ("instructions", "nfvd", *GROUPS, "rest", *CALLS)}
    return found | {key: line[key] / frames for key in ("interrupts", "kicks")} | {"counted": line["ns"] / frames / 1000}


def main():
    folder, nfvd = sys.argv[1:]
    symbols = Symbols(folder, nfvd)
    lines, elapsed = (read(f"{folder}/raw-counts-{clock}.jsonl") for clock in ("counted", "elapsed"))
    counted = list(sections(f"{folder}/raw-counts.profile"))[1::2]
    if not len(counted) == len(lines) == len(elapsed):
        sys.exit(f"counts.py: {len(lines)} cases, {len(counted)} sections, {len(elapsed)} cases by the other clock")
    with open(f"{folder}/raw-counts.jsonl", "w", encoding="utf-8") as raw, \
            open(f"{folder}/counts-profile.txt", "w", encoding="utf-8") as profile:
        for i, (line, section, other) in enumerate(zip(lines, counted, elapsed)):
            found = values(line, section, symbols, profile) | {"elapsed": other["ns"] / other["frames"] / 1000}
            who = "nfvd" if line["who"] == "module" else line["who"]
            if not i:
                print(f"{'PER FRAME':24}{'WHO':18}" + "".join(f"{key.upper():>13}" for key in found))
            print(f"{line['case']:24}{line['who']:18}" + "".join(f"{v:13.2f}" if v < 100 else f"{v:13.0f}" for v in found.values()))
            for key, value in found.items():
                unit = "us" if key in ("counted", "elapsed") else "per frame"
                raw.write(json.dumps({"case": f"{line['case']}-{key}", "who": who, "unit": unit, "value": value}) + "\n")


if __name__ == "__main__":
    main()
