"""A set-up file for the page of a board that no cable reaches: what `flash` would copy of it, without the firmware.

One JSON object, path on the board -> text; DER in base64. It holds a private key: for its owner's eyes, and to be
deleted when the board has it.
"""

import base64
import json
import os
from pathlib import Path

from firmware import config, flash

MOST_BYTES = 22_000  # the page takes 24,000 with the form around it


def write(own: Path, pins: Path, certs: Path, out: Path) -> int:
    """Check a configuration, its pins and its identity, and write them to the file `out`; gives its bytes.

    Raises ConfigError, OSError, FlashError: also if there is a file already.
    """
    entries = config.check_config(config.load(str(own)))
    flash.check_root(entries)
    config.check_pins(config.load(str(pins)), *config.needs(entries))
    parts = {"config.json": own.read_text(encoding="utf-8"), "pins.json": pins.read_text(encoding="utf-8")}
    files = {**flash.identity(certs, entries["gateway_id"]), **flash.spares(certs)}
    parts.update({f"certs/{name}": base64.b64encode(data).decode() for name, data in files.items()})
    text = json.dumps(parts)
    if len(text) > MOST_BYTES:
        raise flash.FlashError(
            f"{len(text)} bytes, a board takes {MOST_BYTES}; has config.json or pins.json much space in it?"
        )
    try:
        descriptor = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise flash.FlashError(f"{out} is there already; delete it, or name another file with --out") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    flash.forget_spares(certs)
    return len(text)
