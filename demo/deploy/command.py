"""The command line of the local deployment: reads the options, tries it, prints its table."""

import argparse
import asyncio
import contextlib
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from demo.deploy.orchestrator import Deployment, run_deployment
from demo.errors import KNOWN_TROUBLE
from demo.output import fresh_folder

LEFT_BY_A_RUN = ("summary.json", "logs")
MOST_GATEWAYS = 200
LEAST_RESOURCES = 60


class FactRow(NamedTuple):
    """A fact, what it says to people, and whether it is as it has to be."""

    key: str
    text: str
    holds: Callable[[Any], bool]
    in_summary: bool = True


ROWS = (
    FactRow("resources", "resources applied", lambda n: n >= LEAST_RESOURCES),
    FactRow("resource_types", "their types", lambda n: n > 0),
    FactRow("plan_after_apply_changes", "changes in later plans", lambda n: n == 0),
    FactRow("commands_done", "commands obeyed by gateways", lambda n: n > 0, in_summary=False),
    FactRow("samples_in_lake", "samples in the lake", lambda n: n > 0),
    FactRow("samples_lost", "samples lost", lambda n: n == 0),
    FactRow("revoked_thing_refused", "revoked gateway is refused", bool),
    FactRow("leftovers", "left after destroy", lambda names: not names),
    FactRow("private_keys_in_state", "states and plans with a key", lambda n: n == 0),
    FactRow("seconds", "seconds", lambda _: True),
)


def main(words: list[str] | None = None) -> int:
    """Try the deployment: 0 when all holds, 1 when something does not, 2 for what the user can mend."""
    arguments = _parser().parse_args(words)
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    try:
        facts = deploy(Path(arguments.out), arguments.gateways, Console(stderr=True))
    except KNOWN_TROUBLE as error:
        sys.stderr.write(f"deploy: {' '.join(str(error).split())}\n")
        return 2
    Console().print(_table(facts))
    return 0 if all(row.holds(facts[row.key]) for row in ROWS) else 1


def deploy(out: Path, gateways: int, console: Console) -> dict[str, Any]:
    """Deploy, use and destroy; gives every fact, and leaves summary.json and logs/ in `out`."""
    began = time.monotonic()
    out = fresh_folder(out, LEFT_BY_A_RUN)
    with tempfile.TemporaryDirectory(prefix="pythoflow-", ignore_cleanup_errors=True) as work, _steps(console) as tell:
        facts = asyncio.run(run_deployment(Deployment(gateways, Path(work), out), tell))
    facts["seconds"] = round(time.monotonic() - began, 1)
    summary = {row.key: facts[row.key] for row in ROWS if row.in_summary}
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    return facts


@contextlib.contextmanager
def _steps(console: Console) -> Iterator[Callable[[str], None]]:
    """Gives the function that is told of progress: a line for every step, and on a terminal what happens in it."""
    began = time.monotonic()
    with console.status("") as status:

        def tell(text: str) -> None:
            step, _, detail = text.partition(":")
            if not detail:
                console.print(f"{time.monotonic() - began:4.0f} s  {step}", highlight=False)
            status.update(text, spinner="dots")

        yield tell


def _table(facts: dict[str, Any]) -> Table:
    table = Table(title="PythoFlow: deployed, used, destroyed", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for row in ROWS:
        fact = facts[row.key]
        table.add_row(row.text, _shown(fact), "" if row.holds(fact) else "[red]should not be")
    return table


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "\n".join(value) or "nothing" if isinstance(value, list) else f"{value:,}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.deploy",
        description="Apply terraform/ to an AWS API on this machine, run a farm on it, and destroy it.",
    )
    parser.add_argument("--gateways", type=_gateways, default=2, help="how many gateways of 3 zones each (2)")
    parser.add_argument("--out", default="deploy-output", help="what stays; replaces an earlier run (deploy-output)")
    return parser


def _gateways(text: str) -> int:
    if not text.strip().isdigit() or not 1 <= int(text) <= MOST_GATEWAYS:
        raise argparse.ArgumentTypeError(f"want a whole number from 1 to {MOST_GATEWAYS}, got {text!r}")
    return int(text)
