"""The command line of the notices: look into an outbox, try the channels. Bad input ends with one line and code 2."""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from notices import settings
from notices.errors import NoticesError, SendError
from notices.outbox import Outbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = _parser().parse_args(arguments)
    logging.getLogger("apprise").setLevel(logging.ERROR)
    try:
        return int(args.run(args))
    except NoticesError as error:
        print(f"notices: {error}", file=sys.stderr)
        return 2


def show(args: argparse.Namespace) -> int:
    """Print the last notices: when, to whom, what became of them."""
    with closing(Outbox(args.outbox, {})) as outbox:
        for notice in outbox.last(args.last):
            at = datetime.fromtimestamp(notice.at, UTC).strftime("%Y-%m-%d %H:%M")
            problem = f": {notice.problem}" if notice.problem else ""
            print(f"{at}  {notice.channel}  {notice.event}  {notice.place}  {notice.state}{problem}")
    return 0


def check(args: argparse.Namespace) -> int:
    """Send one line through each channel of a settings file, and say which took it."""
    failures = 0
    for channel in settings.load(args.settings):
        try:
            channel.send("PythoFlow", "Test: this channel works. / Teste: este canal funciona.")
            print(f"{channel.name}: taken")
        except SendError as error:
            failures += 1
            print(f"{channel.name}: {error}")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m notices", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    verb = verbs.add_parser("show", help="print the last notices of an outbox")
    verb.add_argument("--outbox", type=Path, default=Path("notices.sqlite"))
    verb.add_argument("--last", type=int, default=20, help="how many")
    verb.set_defaults(run=show)
    verb = verbs.add_parser("test", help="send one line through each channel")
    verb.add_argument("--settings", type=Path, default=Path("notices.toml"))
    verb.set_defaults(run=check)
    return parser


if __name__ == "__main__":
    sys.exit(main())
