#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""scrape.py HOST:PORT RATE - ask for the metrics, RATE times a second, until told to end (TERM).

Prints one JSON object: for each scrape how many ms it took, from connecting to the last byte; how many series and
bytes the last one had; and how many scrapes are not among these, because they got the text of the one before, which
nfvctl keeps for 0.1 s. A scrape that takes longer than its turn does not make the next one come at once.
"""
import http.client
import json
import signal
import sys
import time


def scrape(at):
    begin = time.monotonic()
    connection = http.client.HTTPConnection(at, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read()
    connection.close()
    return (time.monotonic() - begin) * 1000, text


def main():
    at, each, ended, took, repeated, last = sys.argv[1], 1 / float(sys.argv[2]), [], [], 0, b""
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    due = time.monotonic()
    while not ended:
        ms, text = scrape(at)
        if text == last:
            repeated += 1
        else:
            took.append(round(ms, 3))
        last = text
        due = max(due + each, time.monotonic())
        while not ended and time.monotonic() < due:
            time.sleep(min(0.02, max(0.0, due - time.monotonic())))
    series = sum(1 for line in last.splitlines() if line and not line.startswith(b"#"))
    print(json.dumps({"ms": took, "series": series, "bytes": len(last), "repeated": repeated}))


if __name__ == "__main__":
    main()
