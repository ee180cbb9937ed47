"""The portable tests once more, in MicroPython's own VM; those of the messages are in test_messages_in_vm.py."""

from tests.vm import micropython_vm


def test_portable_tests_pass_on_micropython() -> None:
    """Every other portable test module runs in the VM: none fails, and as many run as CPython finds."""
    micropython_vm.check(micropython_vm.portable_modules() - set(micropython_vm.MESSAGES))
