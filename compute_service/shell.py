"""The commands by which a person steers a farm from a shell: stop, close, open, pause, resume, status, alarms, plan.

They write orders into the service's store, which obeys them when it runs, and read there what came of them. They need
no network and no identity; whoever may write the file may give orders.
"""

import argparse
import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from zoneinfo import ZoneInfo

from agronomy.units import DAY_S
from compute_service import orders
from compute_service.adapters import forecast_source
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.alarms import acknowledge, standing
from compute_service.domain.alarm_kinds import LANGUAGES, words
from compute_service.domain.alarms import AlarmRow, worst
from compute_service.domain.decide import span
from compute_service.domain.forecast import Forecast
from compute_service.domain.gateway_status import latched
from compute_service.domain.orders import DONE, UNDER_WAY, WAITING, Order, OrderRow, clock, hold_check, in_force
from compute_service.domain.plan import ZonePlan, held_until
from compute_service.domain.ports import Store
from compute_service.domain.zone import Config
from compute_service.errors import OrderError
from compute_service.plans import Planner, hindsight
from compute_service.reading import commands_that_open, farm_of, shuts_by

POLL_S = 0.1


def order(args: argparse.Namespace) -> int:
    """Give one order, wait a moment for the service, and say what became of it."""
    with closing(SqliteStore.reader(args.store)) as reader:
        farm = farm_of(reader)  # so that a mistake is told before anything is written, or migrated
        now = orders.service_now(reader.journal.last_beat(), time.time())
    with closing(SqliteStore(args.store, must_exist=True)) as store:
        row = orders.give(store, farm, _order_of(args, farm, now))
        deadline = time.monotonic() + args.wait
        while (row := _again(store, row)).state == WAITING and time.monotonic() < deadline:
            time.sleep(POLL_S)
        for line in _outcome(store, farm, row):
            print(line)
    return 0 if row.state in {WAITING, UNDER_WAY, DONE} else 1


def _order_of(args: argparse.Namespace, farm: Config, now: int) -> Order:
    minutes = getattr(args, "minutes", None)
    return Order(
        order_id=orders.new_order_id(now),
        action=args.action,
        at=now,
        by=args.by or getpass.getuser(),
        via="shell",
        zone_id=getattr(args, "zone", None),
        duration_s=None if minutes is None else round(minutes * 60),
        volume_l=getattr(args, "litres", None),
        until=_until(args, farm, now) if args.action == "pause" else None,
        why=getattr(args, "why", None) or "",
    )


def _until(args: argparse.Namespace, farm: Config, now: int) -> int:
    if args.hours is not None:
        return now + round(float(args.hours) * 3600)
    try:
        local = datetime.fromisoformat(args.until)
    except ValueError as error:
        raise OrderError(
            f"--until {args.until!r} is no time; write it as the farm's clock shows it: 2026-07-03 18:00"
        ) from error
    return int((local if local.tzinfo else local.replace(tzinfo=ZoneInfo(farm.timezone))).timestamp())


def _again(store: Store, row: OrderRow) -> OrderRow:
    after = store.orders.get(row.order.order_id)
    assert after is not None
    return after


def _outcome(store: Store, farm: Config, row: OrderRow) -> Iterator[str]:
    beat, wall_s = store.journal.last_beat(), time.time()
    place = row.order.zone_id or farm.farm
    reason = f": {row.reason}" if row.reason else ""
    yield f"{row.order.action} {place}: {_STATES[row.state]}{reason}"
    if row.state == UNDER_WAY:
        names = sorted({found.gateway_id for name in row.command_ids if (found := store.commands.get(name))})
        yield f"  waits for the answer of {', '.join(names)}"
    if row.state == WAITING and not orders.is_serving(beat, wall_s):
        yield from _while_down(store, farm, orders.service_now(beat, wall_s))


def _while_down(store: Store, farm: Config, now: int) -> Iterator[str]:
    yield "  the service does not run: the order waits, and an open that waits longer than a minute expires"
    for command in commands_that_open(store):
        at = clock(shuts_by(command), farm.timezone)
        yield f"  {command.zone_id} shuts by its own deadline, at {at} at the latest ({span(shuts_by(command) - now)})"


_STATES = {
    "waiting": "written down",
    "under_way": "sent",
    "done": "done",
    "refused": "refused",
    "expired": "expired, nothing was opened",
}


def status(args: argparse.Namespace) -> int:
    """Print how the farm stands: is the service there, what is held, each zone, orders that wait."""
    with closing(SqliteStore.reader(args.store)) as store:
        farm = farm_of(store)
        for line in _status(store, farm, time.time()):
            print(line)
    return 0


def _status(store: Store, farm: Config, wall_s: float) -> Iterator[str]:
    beat = store.journal.last_beat()
    now = orders.service_now(beat, wall_s)
    if beat is None or orders.is_serving(beat, wall_s):
        yield f"{farm.farm}, {clock(now, farm.timezone)}"
    else:
        yield f"{farm.farm}: the service has not run since {clock(beat.at, farm.timezone)}"
        yield from _while_down(store, farm, now)
    holds = store.orders.holds()
    yield from (f"! {hold_check(hold, farm.timezone).why}" for hold in in_force(holds, None, now))
    for one in store.updates.gateways():
        if names := ", ".join(latched(one["status"])):
            yield f"! {one['gateway_id']} saw water where none should flow, at {names}, and opens nothing until `clear`"
    moments = {moment.zone_id: moment for moment in store.journal.newest_moments()}
    running = {row.zone_id: row for row in commands_that_open(store)}
    width = max((len(zone.zone_id) for zone in farm.zones), default=0)
    for zone in farm.zones:
        own = next((hold for hold in in_force(holds, zone.zone_id, now) if hold.zone_id), None)
        moment, run = moments.get(zone.zone_id), running.get(zone.zone_id)
        water = "nothing is known of its water yet"
        if moment and moment.depletion_mm is not None and moment.due_mm is not None:
            water = f"lacks {moment.depletion_mm:.1f} mm, due at {moment.due_mm:.1f} mm"
        valve = f"{run.state}, shuts by {clock(shuts_by(run), farm.timezone)}" if run else "shut"
        hold = f"; {hold_check(own, farm.timezone).why}" if own else ""
        yield f"  {zone.zone_id.ljust(width)}  {valve}; {water}{hold}"
    for row in store.orders.open():
        yield f"  order {row.order.action} {row.order.zone_id or ''} of {row.order.by}: {_STATES[row.state]}"


def alarms(args: argparse.Namespace) -> int:
    """Print the alarms that stand, the worst first, or with `--ack` say that one was seen."""
    with closing(SqliteStore.reader(args.store)) as reader:
        farm = farm_of(reader)
        beat, wall_s = reader.journal.last_beat(), time.time()
        now = orders.service_now(beat, wall_s)
        if args.ack is None:
            for line in _alarms(reader, farm, args, standing(reader, beat, wall_s, now)):
                print(line)
            return 0
    with closing(SqliteStore(args.store, must_exist=True)) as store:
        row = acknowledge(store, args.ack, args.by or getpass.getuser(), now)
    at = clock(row.acknowledged_at or now, farm.timezone)
    print(f"{row.alarm.alarm_id}: seen by {row.acknowledged_by} at {at}")
    return 0


def _alarms(store: Store, farm: Config, args: argparse.Namespace, rows: list[AlarmRow]) -> Iterator[str]:
    if args.last:
        rows = [row for row in store.alarms.last(args.last) if row.ended_at is not None] + rows
    for row in worst(rows):
        alarm, text = row.alarm, words(row.alarm, args.language)
        yield f"{alarm.severity.ljust(8)} {text.wrong}."
        yield f"         {text.to_do} {_ALARM_WORDS[args.language][0]} {text.ends}."
        since = f"{_ALARM_WORDS[args.language][1]} {clock(alarm.since, farm.timezone)}"
        by = f"; {_ALARM_WORDS[args.language][2]} {row.acknowledged_by}" if row.acknowledged_by else ""
        ended = f"; {_ALARM_WORDS[args.language][3]} {clock(row.ended_at, farm.timezone)}" if row.ended_at else ""
        yield f"         {since}{by}{ended}; {alarm.alarm_id}"
    if not rows:
        yield _ALARM_WORDS[args.language][4]


_ALARM_WORDS = {
    "en": ("Ends", "since", "seen by", "ended", "no alarm stands"),
    "pt": ("Termina", "desde", "visto por", "terminou", "nenhum alarme"),
}


def plan(args: argparse.Namespace) -> int:
    """Print the runs that come at each zone, or with `--hindsight` how well plans of the past foresaw what was done."""
    with closing(SqliteStore.reader(args.store)) as store:
        farm = farm_of(store)
        now = orders.service_now(store.journal.last_beat(), time.time())
        if args.hindsight is not None:
            print(_foresight(store, now, args.hindsight))
            return 0
        planner = Planner(store, now, _forecast(args.forecast, now))
        for zone in farm.zones:
            if args.zone in {None, zone.zone_id}:
                for line in _plan(zone.zone_id, planner.plan(zone), farm.timezone):
                    print(line)
    return 0


def _forecast(source: str | None, now: int) -> Forecast | None:
    return None if source is None else forecast_source.load(source, now)


def _plan(zone_id: str, zone_plan: ZonePlan | None, timezone: str) -> Iterator[str]:
    if zone_plan is None:
        yield f"{zone_id}: nothing is known of its water yet"
        return
    until = clock(zone_plan.until, timezone)
    runs = zone_plan.advice if zone_plan.is_advice else zone_plan.runs
    if runs:
        yield f"{zone_id}:"
    elif zone_plan.holds and held_until(zone_plan.holds) is None:
        yield f"{zone_id}: none until somebody resumes"
    else:
        yield f"{zone_id}: none before {until}"
    yield from (f"  {note}" for note in zone_plan.notes(timezone))
    for run in runs:
        earliest = clock(run.earliest, timezone)
        if run.likely is None:
            yield f"  not before {earliest}, and perhaps none until {until}"
            continue
        latest = f"by {clock(run.latest, timezone)}" if run.latest else "with rain or cool days much later"
        size = f"{run.net_mm:.1f} mm, {run.litres:.0f} l, {span(run.duration_s)}"
        yield f"  {clock(run.likely, timezone)} ({size}); not before {earliest}, {latest}"


def _foresight(store: Store, now: int, days: int) -> str:
    plans = list(hindsight(store, now - days * DAY_S, now))
    if not plans:
        return f"no decisions of the last {days} days to plan from"
    share = sum(one.is_within for one in plans) / len(plans)
    return f"{share:.0%} of {len(plans)} plans of the last {days} days held: the next run came within its band"


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", store: argparse.ArgumentParser) -> None:
    """The verbs of this module."""

    def verb(action: str, help_: str) -> argparse.ArgumentParser:
        parser = verbs.add_parser(action, parents=[store], help=help_)
        parser.add_argument("--by", help="who orders it; else who is logged in")
        parser.add_argument("--why", help="a word for whoever reads it later")
        parser.add_argument("--wait", type=_seconds, default=5, help="seconds to wait for the service")
        parser.set_defaults(run=order, action=action)
        return parser

    verb("stop", "close every valve, and open none until `resume`")
    verb("close", "end a zone's run, and hold it for the rest of the farm's day").add_argument("zone")
    opening = verb("open", "open a zone for minutes, or litres")
    opening.add_argument("zone")
    bound = opening.add_mutually_exclusive_group(required=True)
    bound.add_argument("--minutes", type=_positive)
    bound.add_argument("--litres", type=_positive)
    pause = verb("pause", "close a zone, or the farm, and let nothing open it until a time")
    pause.add_argument("zone", nargs="?")
    end = pause.add_mutually_exclusive_group(required=True)
    end.add_argument("--until", metavar="TIME", help="as the farm's clock shows it, such as '2026-07-03 18:00'")
    end.add_argument("--hours", type=_positive)
    verb("clear", "let the gateway of a zone, that saw a leak, open valves again").add_argument("zone")
    verb("resume", "let the farm, or a zone, be watered again").add_argument("zone", nargs="?")
    parser = verbs.add_parser("status", parents=[store], help="print how the farm stands")
    parser.set_defaults(run=status)
    parser = verbs.add_parser("alarms", parents=[store], help="print what is wrong, or say that you have seen it")
    parser.add_argument("--ack", metavar="ID", help="acknowledge this alarm, by the id at the end of its line")
    parser.add_argument("--by", help="who has seen it; else who is logged in")
    parser.add_argument("--last", type=int, default=0, metavar="N", help="with those of the last N that have ended")
    parser.add_argument("--language", choices=LANGUAGES, default="en")
    parser.set_defaults(run=alarms)
    parser = verbs.add_parser("plan", parents=[store], help="print the runs that come, zone by zone")
    parser.add_argument("zone", nargs="?")
    parser.add_argument("--forecast", metavar="SOURCE", help="a forecast's file or URL; else the last days' weather")
    parser.add_argument("--hindsight", type=int, metavar="DAYS", help="how well plans of the last days held instead")
    parser.set_defaults(run=plan)


def _number(least: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not least <= number < 1e9 or (number == 0 and least > 0):
            raise argparse.ArgumentTypeError(f"{text!r}: want a number of more than 0")
        return number

    return read


_positive, _seconds = _number(1e-9), _number(0)
