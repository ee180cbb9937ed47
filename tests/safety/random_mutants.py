"""Would a test notice if a safety file said something else? A seeded sample of small changes, each judged by its tests.

`python -m tests.safety.random_mutants --count 600 --seed 1` changes one operator, number, condition or statement at a
time in a copy of the source, runs the tests that execute its line, the cheapest first, prints who survived, and the
share that was caught with its 95 % interval. The checkout itself is never touched. A mutant that means the same as the
original survives by right: `equivalent_mutants.yaml` names each such change with its reason, and the sample has none.
"""

import argparse
import ast
import json
import queue
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.safety.choice_of_tests import Choice, Record
from tests.safety.mutations import ROOT, WORKERS, Copy, MutationError, _write

LINKED = ("node_modules", "terraform")  # what the tests of the local cloud need beside the copy
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.yaml")
LIMIT_S = 300  # for the tests of one mutant: one that hangs is caught, by the limit that every test has
PLUGIN = ("-p", "tests.safety.lines_of_tests")
_VM = "tests/vm/portable/"
_COMPUTE = "tests/compute_service/"
_CLOUD = "tests/local_cloud/"


def _board(names: str) -> tuple[str, ...]:
    return tuple(f"{_VM}test_{name}.py" for name in names.split())


def _compute(names: str) -> tuple[str, ...]:
    return tuple(f"{_COMPUTE}test_{name}.py" for name in names.split())


_PROTOCOL = (
    *_board("protocol message_limits json"),
    "tests/vm/test_messages_in_vm.py",
    *_board("gateway"),
    *_compute("service identity"),
)
_OUTBOX = _board("store outbox_edges outbox poison gateway")
_DECIDE = _compute("decide_rows constraints decide service orders")
# A safety file, and what must notice: the cheapest first, as a run ends at the first failure. None of them needs
# somebody else's broker: at one a mutant can wait for minutes.
TESTS = {
    "firmware/lib/gateway/valves.py": _board(
        "valves valves_storage valves_memory valves_given valves_answers fallback leak gateway"
    ),
    "firmware/lib/gateway/fallback.py": _board("fallback gateway_fallback"),
    "firmware/lib/gateway/flow.py": _board("flow_limits flow_pulses flow_watch leak"),
    "firmware/lib/gateway/outbox.py": _OUTBOX,
    "firmware/lib/gateway/journal.py": _OUTBOX,
    "firmware/lib/gateway/gateway.py": (
        *_board("gateway gateway_moments gateway_fallback flow_watch poison"),
        "tests/gateway/test_end.py",
    ),
    "firmware/lib/gateway/mqtt.py": (
        *(f"tests/gateway/test_{name}.py" for name in ("mqtt_bounds", "mqtt_life", "mqtt_wire")),
        *_board("gateway gateway_moments poison"),
    ),
    "protocol/messages.py": _PROTOCOL,
    "protocol/topics.py": _PROTOCOL,
    "protocol/json_text.py": _PROTOCOL,
    "compute_service/commands.py": _compute("command_rows commands service identity orders"),
    "compute_service/domain/decide.py": _DECIDE,
    "compute_service/domain/constraints.py": _DECIDE,
    "local_cloud/gate.py": (
        *(f"{_CLOUD}test_gate_{name}.py" for name in ("near", "ends")),
        "tests/safety/test_strangers_at_the_gate.py",
    ),
    "local_cloud/policy.py": (f"{_CLOUD}test_policy.py",),
    "local_cloud/registry.py": (f"{_CLOUD}test_registry.py",),
}

_PAIRS: tuple[tuple[type[ast.AST], type[ast.AST]], ...] = (
    *((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.In, ast.NotIn), (ast.Is, ast.IsNot)),
    *((ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.FloorDiv)),
)
_OTHER: dict[type[ast.AST], Any] = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])} | {
    ast.Div: ast.Mult
}
_OTHER_NAME = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutant(NamedTuple):
    """One change: the bytes `start` to `end` of a file become `text`."""

    file: str
    line: int
    start: int
    end: int
    text: str

    def applied(self, source: bytes) -> bytes:
        """The changed file."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def change(self, source: bytes) -> str:
        """What it changes, in a line, wherever that stands."""
        before = " ".join(source[self.start : self.end].decode().split())
        return f"{before[:70]} -> {self.text[:70]}"

    def described(self, source: bytes) -> str:
        """Where it is and what it changes, in a line."""
        return f"{self.file}:{self.line}: {self.change(source)}"


class Score(NamedTuple):
    """How many of how many mutants were caught, and who was not."""

    caught: int
    total: int
    survivors: list[str]

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share that is caught."""
        z, n, share = 1.96, self.total, self.caught / self.total
        middle, half = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


class Equivalent(NamedTuple):
    """Mutants that mean the same as the original: a change, in lines that have a text, and why nobody can tell."""

    file: str
    line: str
    change: str
    why: str

    def means(self, mutant: Mutant, source: bytes) -> bool:
        """Whether a mutant of `source` is one of these."""
        text = source.splitlines()[mutant.line - 1].decode().strip()
        return (self.file, self.line, self.change) == (mutant.file, text, mutant.change(source))


def equivalents() -> list[Equivalent]:
    """Every change that is known to mean the same."""
    files: dict[str, list[dict[str, str]]] = yaml.safe_load(EQUIVALENT.read_text())
    return [Equivalent(file, **row) for file, rows in files.items() for row in rows]


def mutants_of(file: str, root: Path = ROOT) -> list[Mutant]:
    """Every mutant of a file that means another thing, in the order of its text."""
    source, known = (root / file).read_bytes(), [row for row in equivalents() if row.file == file]
    return [mutant for mutant in changes_of(file, root) if not any(row.means(mutant, source) for row in known)]


def changes_of(file: str, root: Path = ROOT) -> list[Mutant]:
    """Every small change of a file, in the order of its text, those that mean the same too."""
    source = (root / file).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    mutants = []
    for node in _code(ast.parse(source)):
        for text in _changes(node):
            assert isinstance(node, ast.expr | ast.stmt)
            assert node.end_lineno is not None and node.end_col_offset is not None
            start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            mutants.append(Mutant(file, node.lineno, start, end, text))
    return sorted(set(mutants))


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """What runs: no annotation, no import for type checkers, nothing inside an f-string."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.JoinedStr | ast.arguments):
        return
    yield node
    for name, child in ast.iter_fields(node):
        if name not in {"annotation", "returns", "decorator_list"}:
            for each in child if isinstance(child, list) else [child]:
                if isinstance(each, ast.AST):
                    yield from _code(each)


def _changes(node: ast.AST) -> Iterator[str]:
    """What may stand in a node's place, as text."""
    for kind, change in _CHANGES.items():
        if isinstance(node, kind):
            yield from change(node)


def _compare(node: ast.Compare) -> Iterator[str]:
    for place, operator in enumerate(node.ops):
        operators = [*node.ops[:place], _OTHER[type(operator)](), *node.ops[place + 1 :]]
        yield _text(ast.Compare(node.left, operators, node.comparators))


def _bool_op(node: ast.BoolOp) -> Iterator[str]:
    yield _text(ast.BoolOp(_OTHER[type(node.op)](), node.values))
    for place in range(len(node.values)):
        rest = [*node.values[:place], *node.values[place + 1 :]]
        yield _text(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))


def _bin_op(node: ast.BinOp) -> Iterator[str]:
    if type(node.op) in _OTHER and not isinstance(node.left, ast.Constant | ast.JoinedStr):
        yield _text(ast.BinOp(node.left, _OTHER[type(node.op)](), node.right))


def _constant(node: ast.Constant) -> Iterator[str]:
    if isinstance(node.value, bool):
        yield str(not node.value)
    elif isinstance(node.value, int | float):
        more = node.value + 1
        yield repr(more if more != node.value else 2 * node.value)


def _not(node: ast.UnaryOp) -> Iterator[str]:
    if isinstance(node.op, ast.Not):
        yield _text(node.operand)


def _call(node: ast.Call) -> Iterator[str]:
    if isinstance(node.func, ast.Name) and node.func.id in _OTHER_NAME:
        other = ast.Name(_OTHER_NAME[node.func.id], ast.Load())
        yield _text(ast.Call(other, node.args, node.keywords))


def _statement(node: ast.Expr) -> Iterator[str]:
    if isinstance(node.value, ast.Call | ast.Await):
        yield "pass"


def _return(node: ast.Return) -> Iterator[str]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield "return None"


_CHANGES: dict[type[ast.AST], Callable[..., Iterator[str]]] = {
    ast.Compare: _compare,
    ast.BoolOp: _bool_op,
    ast.BinOp: _bin_op,
    ast.Constant: _constant,
    ast.UnaryOp: _not,
    ast.Call: _call,
    ast.Expr: _statement,
    ast.Return: _return,
}


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def sample(count: int, seed: int, words: Sequence[str] = ()) -> list[Mutant]:
    """So many mutants, the same for the same seed and source; `words`: only of files with one of them in their path."""
    files = [file for file in TESTS if not words or any(word in file for word in words)]
    everything = [mutant for file in files for mutant in mutants_of(file)]
    return sorted(random.Random(seed).sample(everything, min(count, len(everything))))


def judge(
    mutants: Sequence[Mutant], tell: Callable[[str], object] = lambda _line: None, known: Record | None = None
) -> Score:
    """Run for each mutant the tests that can notice it; raises MutationError if they do not pass unchanged.

    `known` is what an earlier `watch` gave of the same source, and saves this one.
    """
    with open_copies() as copies, ThreadPoolExecutor(WORKERS) as pool:
        tests = sorted({test for mutant in mutants for test in TESTS[mutant.file]})
        record = known or watch(copies, pool, tests)
        verdicts = list(pool.map(lambda mutant: _survives(copies, record, mutant, tell), mutants))
    survivors = [
        each.described((ROOT / each.file).read_bytes())
        for each, is_alive in zip(mutants, verdicts, strict=True)
        if is_alive
    ]
    return Score(len(mutants) - len(survivors), len(mutants), survivors)


@contextmanager
def open_copies() -> Iterator["queue.Queue[Copy]"]:
    """A copy of the source for each worker."""
    copies: queue.Queue[Copy] = queue.Queue()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        for number in range(WORKERS):
            copy = opened.enter_context(closing(Copy(Path(folder) / str(number))))
            for name in LINKED:
                (copy.root / name).symlink_to(ROOT / name)
            copies.put(copy)
        yield copies


def watch(copies: "queue.Queue[Copy]", pool: ThreadPoolExecutor, tests: Sequence[str]) -> Record:
    """Which of the tests, unchanged, executes which line. Raises MutationError if one does not pass."""

    def watched(test: str) -> Path:
        copy = copies.get()
        try:
            path = copy.root.with_name(f"{test.replace('/', '-')}.json")
            path.write_text(json.dumps(list(TESTS)))
            code, output = copy.pytest([*PLUGIN, f"--record-lines={path}", test], 4 * LIMIT_S)
            if code != 0:
                raise MutationError(f"{test} does not pass unchanged:\n{output[-4000:]}")
            return path
        finally:
            copies.put(copy)

    return Record(pool.map(watched, tests))


def _survives(copies: "queue.Queue[Copy]", record: Record, mutant: Mutant, tell: Callable[[str], object]) -> bool:
    copy = copies.get()
    source = (copy.root / mutant.file).read_bytes()
    last = mutant.line + source[mutant.start : mutant.end].count(b"\n")
    lines = {(mutant.file, line) for line in range(mutant.line, last + 1)}
    try:
        _write(copy.root / mutant.file, mutant.applied(source))
        is_alive = all(_passes(copy, choice) for choice in record.choices(lines, TESTS[mutant.file]))
        tell(f"{'SURVIVES' if is_alive else 'caught  '}  {mutant.described(source)}")
        return is_alive
    finally:
        _write(copy.root / mutant.file, source)
        copies.put(copy)


def _passes(copy: Copy, choice: Choice) -> bool:
    chosen = copy.root.with_name(f"{copy.root.name}-chosen.json")
    chosen.write_text(json.dumps([test.name for test in choice.tests]))
    most_s = 20 + int(5 * choice.cost_s)
    return copy.pytest([*PLUGIN, f"--chosen-tests={chosen}", f"--most-cpu={most_s}", *choice.files], LIMIT_S)[0] == 0


def summary(score: Score) -> str:
    """The score in a line."""
    low, high = score.interval()
    share = score.caught / score.total
    return f"{score.caught} of {score.total} caught: {share:.1%}, 95 % interval {low:.1%} to {high:.1%}"


def main(words: Sequence[str]) -> int:
    """Print each mutant's fate and the score; 2 if the tests do not pass unchanged."""
    parser = argparse.ArgumentParser(prog="python -m tests.safety.random_mutants")
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only the files with a WORD in their path")
    arguments = parser.parse_args(words)
    try:
        score = judge(sample(arguments.count, arguments.seed, arguments.words), write_line)
    except MutationError as error:
        sys.stderr.write(f"random_mutants: {error}\n")
        return 2
    write_line(summary(score))
    return 0


def write_line(line: str) -> None:
    """Print a line now: a run takes hours."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
