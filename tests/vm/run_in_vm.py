"""Runs in the MicroPython VM, driven by run_tests.mjs: lists the tests, then runs one at a time."""

import io
import json
import sys
import unittest


def ask_for_the_heap_once():
    """What is free of four megabytes takes milliseconds to count, and each outbox asks: a fifth of the whole run."""
    from gateway import outbox  # noqa: PLC0415  # a native run of these tests begins without it

    is_small = outbox._is_small()
    outbox._is_small = lambda: is_small


def tests(module_name):
    """Every test of a module, as JSON rows of [class, method]."""
    module = __import__(module_name)
    rows = []
    for name in dir(module):
        entry = getattr(module, name)
        if isinstance(entry, type) and issubclass(entry, unittest.TestCase) and entry is not unittest.TestCase:
            rows += [[name, method] for method in sorted(dir(entry)) if method.startswith("test_")]
    return json.dumps(rows)


def _nothing():
    pass


async def run(module_name, class_name, method):
    """Run one test: an empty text if it passed, else its traceback."""
    case = getattr(sys.modules[module_name], class_name)()
    try:
        getattr(case, "setUp", _nothing)()
        try:
            result = getattr(case, method)()
            if hasattr(result, "send"):
                await result
        finally:
            getattr(case, "tearDown", _nothing)()
    except Exception as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        return text.getvalue()
    return ""
