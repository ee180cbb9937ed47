"""What the firmware takes of a board's memory while it runs, held to its budget.

It is measured by the bench in tests/, which runs it in MicroPython's own VM; whoever lacks a part of that is told.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from firmware import build
from gateway.errors import GatewayError

BENCH = "tests.vm.bench.live_heap"
PATIENCE_S = 300
# A board without PSRAM starts with 56 KB, and the rest of its memory belongs to TLS: the heap must never grow, and the
# bench gives it no more. Its modules are frozen into its image, and `flash` sees to that. With PSRAM, where they are
# files, there is no want.
LAYOUT = "frozen"
FAILED = 3  # the bench's exit code if the firmware does not do its work in such a heap
LIVE_BYTES = 40_000
WHEN = {"live_heap_bytes": "live heap", "live_heap_bytes_later": "live heap later"}  # after the start; after a run
GROWTH_BYTES = 128  # over 9,000 messages: less than the smallest piece of a heap, 16 bytes, for each thousand


class HeapError(GatewayError):
    """The memory cannot be measured here; the text says why, and the remedy."""


def measured() -> dict[str, Any]:
    """Live bytes of each layout, the cap of their heap, and the growth over 10,000 messages. Raises HeapError."""
    try:
        process = subprocess.run(
            [sys.executable, "-m", BENCH],
            cwd=build.ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HeapError(
            f"live heap: no figures after {PATIENCE_S} s; try again on a machine with less to do"
        ) from error
    if process.returncode:
        why = (process.stderr.strip() or "it said nothing").splitlines()[-1]
        if process.returncode == FAILED:
            raise HeapError(f"live heap: {why}; python -m {BENCH} shows what the board says, give it less to hold")
        raise HeapError(
            f"live heap: not measured ({why}); make firmware brings what that needs, --no-heap goes without"
        )
    figures: dict[str, Any] = json.loads(process.stdout)
    return figures


def report(figures: dict[str, Any]) -> dict[str, Any]:
    """The entries of size.json, in bytes."""
    return {**figures, "live_heap_bytes_allowed": {LAYOUT: LIVE_BYTES}, "growth_bytes_allowed": GROWTH_BYTES}


def breaches(report: dict[str, Any]) -> Iterator[str]:
    """What is more than the board has room for."""
    for layout, most in report["live_heap_bytes_allowed"].items():
        for key, when in WHEN.items():
            if report[key][layout] > most:
                yield f"{when}, {layout}: {report[key][layout]} bytes, at most {most}"
    if report["growth_bytes"] > report["growth_bytes_allowed"]:
        yield (
            f"live heap after {report['messages']} messages: {report['growth_bytes']} bytes more, "
            f"at most {report['growth_bytes_allowed']}"
        )


def table(report: dict[str, Any]) -> Iterator[tuple[str, int, int]]:
    """Of a size report: what, its bytes, how many are allowed, 0 if any number; nothing if it was not measured."""
    for key, when in WHEN.items():
        for layout, size in report.get(key, {}).items():
            yield f"{when}, modules {layout}", size, report["live_heap_bytes_allowed"].get(layout, 0)
    if "heap_capped_at" in report:
        yield f"heap, modules {LAYOUT}, capped at", report["heap_capped_at"], 0
    if "messages" in report:
        yield f"growth over {report['messages']:,} messages", report["growth_bytes"], report["growth_bytes_allowed"]
