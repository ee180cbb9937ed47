"""The fuzz room: documents drawn by seed and index, read, and judged by somebody who knows nothing of the reader.

A document follows from its reader's name, the seed and its index alone, so that whatever is found can be read again by
itself: `python -m tests.fuzz NAME --seed S --index I`.
"""

import logging
import random
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any, NamedTuple

MOST_CPU_S = 60  # of one batch: hundreds of times what it takes. Whatever needs more hangs
_INDEXES = 2**40  # of one seed


class FaultError(Exception):
    """A reader did what none may: `at` is the document's place in its batch, `why` in words or as a traceback."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(f"document {at} of its batch: {why}")
        self.at, self.why = at, why


class FoundError(AssertionError):
    """A fault with all that is needed to see it again."""


class HangError(BaseException):
    """A batch took more CPU time than any may; no `except` of a reader holds it up."""


class Reader(NamedTuple):
    """How documents are made and judged: `judge` gives how many were accepted, and raises FaultError.

    `code` is what reads: functions, classes and modules, whose branches are counted. `share` of them a sample of
    `sample` documents must take, at least.
    """

    make: Callable[[random.Random], Any]
    judge: Callable[[Sequence[Any]], int]
    batch: int
    code: tuple[Any, ...]
    sample: int
    share: float


def code_of(module: ModuleType, names: str) -> tuple[Any, ...]:
    """Functions and classes of a module, its own business among them."""
    return tuple(vars(module)[name] for name in names.split())


def one_by_one(read: Callable[[Any], bool]) -> Callable[[Sequence[Any]], int]:
    """The judge of a reader that takes one document at a time: True if it was accepted."""

    def judge(documents: Sequence[Any]) -> int:
        accepted = 0
        for at, document in enumerate(documents):
            try:
                accepted += read(document)
            except (Exception, HangError) as error:
                raise FaultError(at, traceback.format_exc()) from error
        return accepted

    return judge


def made(reader: Reader, seed: int, index: int) -> Any:
    """One document."""
    return reader.make(random.Random(seed * _INDEXES + index))


def run(name: str, reader: Reader, seed: int, indexes: range) -> int:
    """Read so many documents; gives how many were accepted. Raises FoundError at the first fault."""
    accepted = 0
    with silence():
        for begin in range(indexes.start, indexes.stop, reader.batch):
            batch = range(begin, min(begin + reader.batch, indexes.stop))
            documents = [made(reader, seed, index) for index in batch]
            try:
                with bounded():
                    accepted += reader.judge(documents)
            except FaultError as fault:
                told = repr(documents[fault.at])
                raise FoundError(_report(name, seed, batch[fault.at], fault.why, told)) from fault
            except HangError as hang:
                raise FoundError(_report(name, seed, begin, traceback.format_exc(), "one of its batch")) from hang
    return accepted


def _report(name: str, seed: int, index: int, why: str, told: str) -> str:
    again = f"python -m tests.fuzz {name} --seed {seed} --index {index}"
    shown = told if len(told) <= 4000 else f"{told[:4000]}... ({len(told)} characters)"
    return f"{name}, seed {seed}, index {index}: {why}\n{shown}\nagain: {again}"


@contextmanager
def silence() -> Iterator[None]:
    """What readers log of ten million refusals is kept by nobody."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def bounded() -> Iterator[None]:
    """Raise HangError where the CPU time of one batch is used up; how long it takes beside other work says nothing."""

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise HangError(f"more than {MOST_CPU_S} s of CPU")

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
