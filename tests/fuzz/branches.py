"""Which branches of a reader a sample took, by the interpreter's own conditional jumps: both ways of each count.

A jump that only a fault of the program could take is no branch: the second way of an `assert`, and that of an `except`
which the error is none of.
"""

import dis
import inspect
import sys
import threading
from collections.abc import Iterable, Iterator
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

Branch = tuple[CodeType, int, int]  # from one offset to another
_NEVER_BEFORE = {"CHECK_EXC_MATCH", "WITH_EXCEPT_START"}
_NEVER_BEHIND = "LOAD_ASSERTION_ERROR"


def codes(of: Iterable[Any]) -> set[CodeType]:
    """The code of functions, of classes' and modules' own functions, and of what is within them."""
    found: set[CodeType] = set()
    for one in of:
        for function in _functions(one):
            found |= set(_within(inspect.unwrap(function).__code__))
    return found


def _functions(one: Any) -> Iterator[FunctionType]:
    if isinstance(one, ModuleType | type):
        name = one.__name__ if isinstance(one, ModuleType) else one.__module__
        for value in list(vars(one).values()):
            if getattr(value, "__module__", None) == name and isinstance(value, FunctionType | type):
                yield from _functions(value)
    else:
        yield one


def _within(code: CodeType) -> Iterator[CodeType]:
    if not code.co_filename.startswith("<"):  # what `dataclass` wrote is nobody's branch
        yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _within(constant)


def branches(code: CodeType) -> set[Branch]:
    """Both ways of each conditional jump."""
    rows = [row for row in dis.get_instructions(code) if row.opname != "EXTENDED_ARG"]
    at = {row.offset: row for row in rows}
    found = set()
    for before, row, behind in zip([None, *rows], rows, [*rows[1:], None], strict=False):
        if behind is None or row.opcode not in dis.hasjrel or not ("_IF_" in row.opname or row.opname == "FOR_ITER"):
            continue
        if before is not None and before.opname in _NEVER_BEFORE:
            continue
        for goal in (behind.offset, _place(at, row.argval)):
            if at[goal].opname != _NEVER_BEHIND:
                found.add((code, row.offset, goal))
    return found


def _place(at: dict[int, dis.Instruction], offset: int) -> int:
    """Where a jump arrives, behind the words that only widen an argument."""
    while offset not in at:
        offset += 2
    return offset


class Trace:
    """Notes the branches that run within the block; everything there is some tens of times slower."""

    def __init__(self, of: Iterable[Any]) -> None:
        self._all = {code: branches(code) for code in codes(of)}
        self._jumps = {code: {start for _, start, _ in found} for code, found in self._all.items()}
        self._last: dict[FrameType, int] = {}
        self.taken: set[Branch] = set()

    def __enter__(self) -> "Trace":
        threading.settrace(self._call)  # of those that begin from now on
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        threading.settrace(None)
        self._last.clear()

    def _call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        if frame.f_code not in self._all:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "opcode":
            code, at = frame.f_code, frame.f_lasti
            before = self._last.pop(frame, None)
            if before is not None:
                self.taken.add((code, before, at))
            if at in self._jumps[code]:
                self._last[frame] = at
        elif event == "return":
            self._last.pop(frame, None)
        return self._step

    def missing(self) -> list[Branch]:
        """The branches that were not taken, by file and line."""
        rest = {branch for found in self._all.values() for branch in found} - self.taken
        return sorted(rest, key=lambda branch: (branch[0].co_filename, *place(branch)))

    def share(self) -> float:
        """How much of all branches was taken."""
        whole = sum(map(len, self._all.values()))
        return 1 - len(self.missing()) / whole


def place(branch: Branch) -> tuple[int, int]:
    """The lines from which a branch goes, and to which."""
    code, start, goal = branch
    lines = {offset: line for begin, end, line in code.co_lines() if line for offset in range(begin, end, 2)}
    return lines.get(start, 0), lines.get(goal, 0)


def described(branch: Branch) -> str:
    """A branch for a person."""
    return f"{branch[0].co_filename}:{place(branch)[0]}: {branch[0].co_qualname} to line {place(branch)[1]}"
