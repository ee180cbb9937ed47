"""What each room may import, and who may read the wall clock: the table of docs/adr/0001, enforced on every file."""

import ast
import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
OURS = {
    "protocol",
    "firmware",
    "gateway",
    "gateway_sim",
    "agronomy",
    "compute_service",
    "lambda_functions",
    "certs",
    "local_cloud",
    "field_time",
    "checked_yaml",
    "web",
    "console",
    "integrations",
    "views",
    "notices",
    "updates",
    "provisioning",
    "demo",
    "benchmarks",
    "scripts",
    "tests",
}
ON_A_BOARD = {
    "board",
    "boot",
    "config",
    "drivers",
    "net",
    "setup_page",
    "sleep",
    "slots",
    "start",
}  # what is in firmware/ stands alone there
OURS |= ON_A_BOARD
NOT_OURS = {"node_modules", "build", "dist", "demo-output", "live-output", "deploy-output", "benchmark-output"}

# What MicroPython has and the portable files need.
BOARD = frozenset(
    {"asyncio", "binascii", "errno", "gc", "hashlib", "json", "os", "random", "ssl", "struct", "sys", "time"}
)
TYPES = {"typing", "collections.abc"}  # for type checkers only: behind TYPE_CHECKING, or in a `try`
# What values in and values out need: no file, no network, no log.
THINKING = frozenset(
    {
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "difflib",
        "functools",
        "hashlib",
        "itertools",
        "json",
        "math",
    }
    | {"operator", "statistics", "typing", "zoneinfo"}
)
# What importing the domain's decision may not load, by whatever way.
HEAVY = frozenset(
    {"yaml", "urllib.request", "urllib.parse", "http.client", "sqlite3", "logging", "numpy", "eto", "socket", "pathlib"}
)
DOMAIN = "agronomy compute_service.domain compute_service.errors protocol"
HARDWARE = BOARD | {"machine", "network", "esp32", "onewire", "ds18x20"}
ANY = None


class Row(NamedTuple):
    """Files, what of ours they may import (a room, or a part of one), and what else (ANY: no restriction)."""

    files: str
    ours: frozenset[str]
    others: frozenset[str] | None


def row(files: str, ours: str = "", others: frozenset[str] | None = ANY) -> Row:
    return Row(files, frozenset(ours.split()), others)


# The first row that matches a file holds.
ROWS = (
    row("protocol/farms/*", "protocol", BOARD | {"argparse", "re"}),  # no board gets it
    row("protocol/*", "protocol", BOARD),
    row("firmware/lib/gateway/*", "protocol gateway", BOARD),
    row("firmware/boot.py", "slots", BOARD | {"machine"}),
    row("firmware/slots.py", "", BOARD | {"machine"}),
    row("firmware/start.py", "gateway board config setup_page sleep", BOARD),
    row("firmware/sleep.py", "gateway board", BOARD | {"machine"}),
    row("firmware/setup_page.py", "protocol gateway config", BOARD | {"machine", "network"}),
    row("firmware/board.py", "gateway drivers net", HARDWARE),
    row("firmware/main.py", "boot start", BOARD),
    row("firmware/net.py", "", BOARD | {"socket", "network"}),
    row("firmware/config.py", "protocol gateway", BOARD),
    row(
        "firmware/drivers/*", "drivers", BOARD | {"machine", "ds18x20"}
    ),  # types; scripts/check_firmware.py sees to that
    row("firmware/*", "protocol firmware gateway"),  # build.py, flash.py and __main__.py, which run on the host
    row("gateway_sim/*", "protocol gateway gateway_sim field_time checked_yaml"),
    row("agronomy/evapotranspiration.py", "agronomy", THINKING | {"numpy", "eto"}),
    row("agronomy/*", "agronomy", THINKING),
    row("compute_service/domain/*", DOMAIN, THINKING),
    row("compute_service/adapters/*", f"{DOMAIN} compute_service.adapters checked_yaml"),
    row("compute_service/alarm_notices/*", "protocol agronomy compute_service checked_yaml notices"),
    row("compute_service/*", "protocol agronomy compute_service checked_yaml"),
    row("notices/*", "notices"),
    row("lambda_functions/*", "protocol lambda_functions"),
    row("certs/*", "certs protocol.farms"),
    row("field_time/*", "field_time"),
    row("checked_yaml/*", "checked_yaml"),
    row("web/*", "web"),
    row("console/metrics.py", "console integrations"),  # Prometheus is told the same there as by a process of its own
    row("console/*", "console web views agronomy compute_service"),
    row("updates/*", "protocol updates"),
    row(
        "provisioning/child.py", "", frozenset({"fcntl", "json", "os", "pathlib", "subprocess", "sys"})
    ),  # it stands alone
    row("provisioning/*", "provisioning web notices checked_yaml certs protocol"),
    row("local_cloud/*", "protocol certs field_time updates local_cloud"),
    row("integrations/*", f"{DOMAIN} compute_service web integrations"),
    row("views/*", f"{DOMAIN} views"),
    row("demo/*", " ".join(OURS - {"tests", "benchmarks", "scripts"})),
    row("scripts/check_tree.py", "scripts firmware"),
    row("scripts/generate_terraform.py", "provisioning.job_files"),
    row("scripts/*", "scripts"),  # they run before anything is installed
    row("benchmarks/*", " ".join(OURS)),
    row("tests/*", " ".join(OURS)),
)
OUTSIDE = (
    "tests/*",
    "benchmarks/*",
    "scripts/*",
)  # no room of the running system: clocks and computed imports are free

WALL_CLOCK = {
    "time.time",
    "time.time_ns",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
}
# Files that read the wall clock although they are no entry point, each with its reason.
CLOCK_READERS = {
    "certs/authority.py": "TLS judges a certificate by the real clock, whatever the field's time is",
    "compute_service/shell.py": "a person's command line, and the service's beat is by the world's time",
    "demo/deploy/infrastructure.py": "jobs carry the world's time, whatever the field's is",
    "firmware/board.py": "sets the chip's clock",
    "firmware/flash.py": "an identity that has ended is not put on a board",
    "provisioning/main.py": "an entry point: uvicorn starts it",
    "web/shell.py": "a person's command line: sessions and tokens live by the world's time",
    "firmware/lib/gateway/clock.py": "the device's clock itself; everything else on the board asks it",
}
IMPORTERS = {"import_module", "__import__", "find_spec", "run_module"}


class Import(NamedTuple):
    """One import: the dotted name, its line, and whether it stands in a `try` or under TYPE_CHECKING."""

    name: str
    line: int
    guarded: bool


def python_files(root: Path) -> Iterator[str]:
    """Ours, by their paths from the root; environments and what is built are not entered."""
    for folder, folders, names in os.walk(root):
        place = Path(folder).relative_to(root)
        folders[:] = sorted(name for name in folders if name not in NOT_OURS and (place.parts or name[0] != "."))
        yield from ((place / name).as_posix() for name in sorted(names) if name.endswith(".py"))


def imports(tree: ast.AST, package: list[str], guarded: bool = False) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, guarded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, node.module or ""]).strip(".")
            yield Import(name or "<above the room>", node.lineno, guarded)
        elif isinstance(node, ast.Call) and last_name(node.func) in IMPORTERS and node.args:
            yield Import(constant(node.args[0]), node.lineno, guarded)
        yield from imports(node, package, guarded or is_guard(node))


def is_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.Try) or (isinstance(node, ast.If) and last_name(node.test) == "TYPE_CHECKING")


def last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def constant(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "<computed>"


def aliases(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for, as a dotted name."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name.split(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def dotted(node: ast.AST, known: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, known)}.{node.attr}"
    return known.get(node.id, "") if isinstance(node, ast.Name) else ""


def clock_readings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every mention of the wall clock, called or passed on."""
    known = aliases(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and dotted(node, known) in WALL_CLOCK:
            yield node.lineno, dotted(node, known)


def is_allowed(found: Import, rule: Row) -> bool:
    top = found.name.split(".")[0]
    if found.name.startswith("<"):
        return any(rule.files == outside for outside in OUTSIDE)
    if top in OURS or top in rule.ours:
        return any(found.name == part or found.name.startswith(f"{part}.") for part in rule.ours)
    return rule.others is ANY or top in rule.others or (found.name in TYPES and found.guarded)


def reads_clock_freely(file: str) -> bool:
    return Path(file).name == "__main__.py" or any(fnmatch(file, outside) for outside in OUTSIDE)


@functools.cache  # two tests ask the same of each of our files
def facts_of(root: Path, file: str) -> tuple[list[Import], list[tuple[int, str]]]:
    """Its imports, and its readings of the wall clock unless it is free to."""
    tree = ast.parse((root / file).read_text(), filename=file)
    package = file.removeprefix("firmware/lib/").split("/")[:-1]
    return list(imports(tree, package)), [] if reads_clock_freely(file) else list(clock_readings(tree))


def violations(root: Path, clock_readers: set[str]) -> list[str]:
    found = []
    for file in python_files(root):
        rule = next((rule for rule in ROWS if fnmatch(file, rule.files)), None)
        if rule is None:
            found.append(f"{file}: no row says what this room may import")
            continue
        brought, read = facts_of(root, file)
        found += [f"{file}:{one.line}: may not import {one.name}" for one in brought if not is_allowed(one, rule)]
        if not reads_clock_freely(file) and file not in clock_readers:
            found += [f"{file}:{line}: reads the wall clock, {name}" for line, name in read]
    return found


def test_no_room_crosses_its_border() -> None:
    """Every file imports what its room may, and only entry points read the wall clock."""
    assert violations(ROOT, set(CLOCK_READERS)) == []


def test_deciding_needs_neither_files_nor_network() -> None:
    """Whoever imports `decide`, say a page that explains a decision, gets no store, no network and no array library."""
    program = "import sys, compute_service.domain.decide; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = HEAVY & set(loaded.stdout.split())
    assert not heavy, f"compute_service.domain.decide loads {', '.join(sorted(heavy))}"


def test_the_rooms_are_there() -> None:
    """The walk sees the rooms: an empty walk would also find no violation."""
    rooms = {file.split("/")[0] for file in python_files(ROOT)}
    assert rooms >= OURS - {"gateway", "benchmarks"} - ON_A_BOARD


def test_every_exception_is_still_needed() -> None:
    """A file that no longer reads the wall clock leaves the list of those that may."""
    readers = {line.split(":")[0] for line in violations(ROOT, set()) if "wall clock" in line}
    assert readers == set(CLOCK_READERS)


@pytest.mark.parametrize(
    ("file", "source", "named"),
    [
        ("protocol/messages.py", "from gateway import valves", "gateway"),
        ("protocol/messages.py", "import dataclasses", "dataclasses"),
        ("protocol/messages.py", "from typing import Any", "typing"),
        ("firmware/lib/gateway/valves.py", "import machine", "machine"),
        ("firmware/lib/gateway/valves.py", "try:\n    import machine\nexcept ImportError:\n    pass", "machine"),
        ("firmware/lib/gateway/valves.py", "import logging", "logging"),
        ("firmware/lib/gateway/valves.py", "from collections.abc import Callable", "collections.abc"),
        ("firmware/lib/gateway/valves.py", "if TYPE_CHECKING:\n    from gateway_sim import board", "gateway_sim"),
        ("firmware/lib/gateway/valves.py", "from gateway_sim import board", "gateway_sim"),
        ("firmware/lib/gateway/valves.py", "from ..board import Pin", "board"),
        ("firmware/boot.py", "from protocol import topics", "protocol"),
        ("firmware/main.py", "import machine", "machine"),
        ("gateway_sim/soil.py", "import compute_service.domain.decide", "compute_service.domain.decide"),
        ("gateway_sim/fleet.py", "from local_cloud import broker", "local_cloud"),
        ("compute_service/service.py", "def late():\n    from gateway import valves", "gateway"),
        (
            "compute_service/service.py",
            "import importlib\nimportlib.import_module('gateway_sim.soil')",
            "gateway_sim.soil",
        ),
        ("compute_service/service.py", "__import__('certs')", "certs"),
        ("compute_service/service.py", "import importlib\nimportlib.import_module('gate' + 'way')", "<computed>"),
        ("lambda_functions/aggregate/index.py", "from compute_service import decide", "compute_service"),
        ("lambda_functions/aggregate/index.py", "from ... import certs", "<above the room>"),
        ("lambda_functions/aggregate/index.py", "from ...certs import authority", "certs"),
        ("local_cloud/gate.py", "from compute_service import decide", "compute_service"),
        ("local_cloud/gate.py", "from demo import command", "demo"),
        ("compute_service/domain/decide.py", "import sqlite3", "sqlite3"),
        ("compute_service/domain/decide.py", "import logging", "logging"),
        ("compute_service/domain/decide.py", "from compute_service.adapters import sqlite", "compute_service.adapters"),
        ("compute_service/domain/decide.py", "from compute_service import service", "compute_service"),
        (
            "compute_service/adapters/sqlite.py",
            "from compute_service.service import Service",
            "compute_service.service",
        ),
        ("views/diary.py", "from demo.faults import evidence", "demo.faults"),
        ("views/diary.py", "from compute_service.adapters.sqlite import Store", "compute_service.adapters.sqlite"),
        ("field_time/clock.py", "from local_cloud import gate", "local_cloud"),
        ("checked_yaml/checks.py", "from protocol import topics", "protocol"),
        ("integrations/farm_now.py", "from gateway_sim import soil", "gateway_sim"),
        ("integrations/metrics/collector.py", "from local_cloud import broker", "local_cloud"),
        ("web/access.py", "from compute_service import orders", "compute_service"),
        ("console/pages.py", "from local_cloud import gate", "local_cloud"),
        ("console/pages.py", "from protocol import topics", "protocol"),
        ("web/events.py", "from protocol import topics", "protocol"),
        ("demo/participants.py", "from tests import helpers", "tests"),
        ("demo/deploy/farm.py", "from benchmarks import report", "benchmarks"),
        ("certs/authority.py", "from protocol import topics", "protocol"),
        ("notices/outbox.py", "from compute_service.domain import alarms", "compute_service.domain"),
        ("updates/service.py", "from local_cloud import gate", "local_cloud"),
        ("compute_service/service.py", "from notices.outbox import Outbox", "notices.outbox"),
        ("scripts/setup.py", "import certs", "certs"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, source: str, named: str) -> None:
    """Whichever way it is written, an import over a border is named with its file."""
    plant(tmp_path, file, source)
    [found] = violations(tmp_path, set())
    assert found.startswith(f"{file}:")
    assert found.endswith(f"may not import {named}")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("protocol/messages.py", "import json\nfrom protocol import topics"),
        ("firmware/lib/gateway/valves.py", "try:\n    from typing import Any\nexcept ImportError:\n    pass"),
        ("firmware/lib/gateway/valves.py", "if TYPE_CHECKING:\n    from collections.abc import Callable"),
        ("firmware/lib/gateway/valves.py", "import asyncio\nfrom gateway import outbox\nfrom . import clock"),
        ("firmware/boot.py", "import machine"),
        ("firmware/board.py", "import machine, network\nfrom gateway import valves"),
        ("gateway_sim/fleet.py", "import numpy\nfrom gateway import valves\nfrom gateway_sim import soil"),
        ("compute_service/__main__.py", "import time\ntime.time()"),
        ("compute_service/service.py", "import time\ntime.monotonic()"),
        ("demo/participants.py", "from compute_service import service\nfrom gateway_sim import fleet"),
        ("demo/deploy/farm.py", "from compute_service import service\nfrom gateway_sim import fleet"),
        ("tests/certs/test_it.py", "import importlib, time\nimportlib.import_module(str(time.time()))"),
    ],
)
def test_an_allowed_import_passes(tmp_path: Path, file: str, source: str) -> None:
    """What the table allows is not complained about."""
    plant(tmp_path, file, source)
    assert violations(tmp_path, set()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\nnow = time.time()",
        "import time as clock\nnow = clock.time_ns()",
        "from time import time\nnow = time()",
        "from datetime import datetime, UTC\nnow = datetime.now(UTC)",
        "import datetime as dt\nnow = dt.date.today()",
        "import time\ndef decide(zone, now=time.time):\n    pass",
    ],
)
def test_a_room_that_reads_the_wall_clock_is_found(tmp_path: Path, source: str) -> None:
    """Called, renamed or passed on: the wall clock is found in a room, unless the file is on the list."""
    plant(tmp_path, "compute_service/service.py", source)
    [found] = violations(tmp_path, set())
    assert "reads the wall clock" in found
    assert violations(tmp_path, {"compute_service/service.py"}) == []


def test_a_room_without_a_row_is_found(tmp_path: Path) -> None:
    """A new room has to say what it may import."""
    plant(tmp_path, "new_room/thing.py", "")
    [found] = violations(tmp_path, set())
    assert "no row" in found


def plant(root: Path, file: str, source: str) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
