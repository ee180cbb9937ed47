"""Simulated for the bench, never upload it to a board: `gc` of a heap that is as large as the bench made it."""

from gc import collect, disable, enable, isenabled, mem_alloc, threshold  # noqa: F401

import _chip


def mem_free():
    return max(0, _chip.heap_bytes() - mem_alloc())
