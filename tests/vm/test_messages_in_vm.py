"""The portable tests of the messages once more, in MicroPython's own VM, as a board reads and writes them."""

from tests.vm import micropython_vm


def test_messages_are_the_same_on_micropython() -> None:
    """What the service takes and refuses, a board does: the tests of JSON, messages and topics all pass in the VM."""
    micropython_vm.check(micropython_vm.MESSAGES)
