"""Another Wi-Fi for a board that is set up, over its serial port: nothing else on it changes."""

import json
import tempfile
from pathlib import Path
from typing import Any

from firmware import config, flash

SHOW = "print(open('/config.json').read())"
# A power cut leaves the file as it was, or as it is to be.
WRITE = """
import os
text = {text!r}
with open("/config.json.new", "w") as file:
    file.write(text)
with open("/config.json.new") as file:
    if file.read() == text:
        os.rename("/config.json.new", "/config.json")
        print("written")
"""


def change(port: str, own: Path) -> list[str]:
    """Give the board at `port` the wifi entry of one's own config.json; gives the networks' names.

    Raises ConfigError, FlashError, OSError.
    """
    mine = config.load(str(own))
    networks = config.check_wifi(mine.get("wifi"))
    text = flash.patiently(lambda: flash.run("mpremote", "connect", port, "exec", SHOW))
    entries = _entries(port, text)
    name, right_name = entries["gateway_id"], mine.get("gateway_id")
    if name != right_name:
        raise flash.FlashError(f"{port}: this board is {name}, {own} is for {right_name}; name the right one")
    entries["wifi"] = mine["wifi"]
    config.check_config(entries)
    with tempfile.TemporaryDirectory() as folder:  # a password in a command line is everybody's on this computer
        script = Path(folder) / "write.py"
        script.write_text(WRITE.format(text=json.dumps(entries)), encoding="utf-8")
        answer = flash.patiently(lambda: flash.run("mpremote", "connect", port, "run", str(script)))
    if "written" not in answer:
        raise flash.FlashError(f"{port}: config.json was not written ({answer.strip()}); is the board's flash full?")
    flash.run("mpremote", "connect", port, "reset")
    return [row["ssid"] for row in networks]


def _entries(port: str, text: str) -> dict[str, Any]:
    try:
        entries: dict[str, Any] = json.loads(text)
        str(entries["gateway_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise flash.FlashError(f"{port}: its config.json cannot be read ({error}); flash the board anew") from error
    return entries
