"""Files that people and loggers write, at the doors where they come in."""

import random
import tempfile
from functools import partial
from pathlib import Path

from tests.doors.doors import DOORS, Door, go_through
from tests.doors.spoiled import spoiled
from tests.fuzz.room import Reader, one_by_one

_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")  # of this process, to its end


def _make(draw: random.Random, goods: tuple[str, ...]) -> bytes:
    return spoiled(draw, goods)


def _read(data: bytes, door: Door) -> bool:
    return go_through(door, Path(_FOLDER.name), data)


def reader(name: str, sample: int, share: float) -> Reader:
    """The reader of a door."""
    door = DOORS[name]
    return Reader(
        make=partial(_make, goods=door.goods),
        judge=one_by_one(partial(_read, door=door)),
        batch=100,
        code=door.code,
        sample=sample,
        share=share,
    )
