"""The heap beside MicroPython's: DO NOT UPLOAD to a board."""

HEAP_DATA = 4


def idf_heap_info(_kind):
    return [(110_000, 100_000, 90_000, 80_000)]
