"""Runs in the MicroPython VM, driven by read_in_vm.mjs: decodes a file of messages, and tells what became of each."""

import json

from protocol import messages
from protocol.errors import ProtocolError


def read(path: str) -> str:
    """One line a message: `A` and the message in JSON, `R` for a refusal, `X` and the error for any other."""
    with open(path, "rb") as file:  # noqa: PTH123  # MicroPython has no pathlib
        data = file.read()
    at, lines = 0, []
    while at < len(data):
        topic_end = at + 6 + int.from_bytes(data[at : at + 2], "big")
        end = topic_end + int.from_bytes(data[at + 2 : at + 6], "big")
        try:
            _, message = messages.decode(data[at + 6 : topic_end].decode(), data[topic_end:end])
            lines.append("A" + json.dumps(message))
        except ProtocolError:
            lines.append("R")
        except Exception as error:  # told to who drives
            lines.append("X" + repr(error).replace("\n", " "))
        at = end
    return "\n".join(lines)
