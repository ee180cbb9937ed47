"""Runs portable tests in a native MicroPython: `micropython run_tests.py MODULE...`, with one line a test."""

import asyncio
import json
import sys

import run_in_vm


def main(modules):
    failed = 0
    count = 0
    for module in modules:
        for class_name, method in json.loads(run_in_vm.tests(module)):
            asyncio.new_event_loop()  # a test that failed may have left tasks
            why = asyncio.run(run_in_vm.run(module, class_name, method))
            count += 1
            failed += bool(why)
            print("FAIL" if why else "ok", f"{module}.{class_name}.{method}", why and "\n" + why)
    print(f"{count} tests ran, {failed} failed")
    return 1 if failed or not count else 0


sys.exit(main(sys.argv[1:]))
