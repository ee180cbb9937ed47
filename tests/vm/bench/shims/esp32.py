"""Simulated for the bench, never upload it to a board: the system's heap, where TLS lives."""

import _chip

HEAP_DATA, HEAP_EXEC = 4, 1


def idf_heap_info(_capabilities):
    """Rows of (total, free, largest free block, least free ever)."""
    largest = _chip.system_heap()
    return [(160000, largest, largest, largest)]
