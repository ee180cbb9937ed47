"""What is wrong on a farm: from what is known, to alarms. Pure, and cheap enough for every decision.

A kind of alarm is a row of `alarm_kinds.KINDS`. It looks at one subject at a time (a zone, a probe, a gateway, a
command, the farm) and says what it finds there, nothing, or that it cannot know yet. So that none flaps, a finding must
have lasted `after_s` before it is an alarm, an alarm ends only once nothing was found for `quiet_s`, and the condition
of one that stands is laxer than that of a new one. Times are Unix seconds.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from compute_service.domain.inputs import digest
from protocol import topics

CRITICAL, WARNING, NOTICE = "critical", "warning", "notice"
SEVERITIES = (CRITICAL, WARNING, NOTICE)  # the worst first
FARM = "farm"  # the place of what is no zone's and no gateway's
UNKNOWN: Literal["unknown"] = "unknown"  # nothing was heard of the subject yet, so nothing changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something is wrong at a place since a time; `raised_at` is when that was seen. `values` are for its words."""

    alarm_id: str
    kind: str
    place: str
    zone_id: str | None
    gateway_id: str | None
    severity: str
    since: int
    raised_at: int
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """An alarm and what became of it: who has seen it, and when it was over."""

    alarm: Alarm
    acknowledged_by: str | None = None
    acknowledged_at: int | None = None
    ended_at: int | None = None


class Finding(NamedTuple):
    """What a condition found: since when, and the values that its words need."""

    since: int
    values: Mapping[str, Any]


Answer = Finding | None | Literal["unknown"]


# What is known: one record for each thing that an alarm can be about.


@dataclass(slots=True, kw_only=True)
class ZoneFacts:
    """A zone: what its model holds, what its last decision said, and how its last runs went; None is not known.

    `verdicts` are (kind, why) by probe; `budget` is the check that kept back water which the zone lacks.
    """

    zone_id: str
    gateway_id: str
    measured_by: tuple[str, ...]  # the gateways that have its probes
    max_reading_age_s: int
    flow_l_min: float
    heard_at: int | None = None
    verdicts: Mapping[str, tuple[str, str]] | None = None
    probes_heard_at: Mapping[str, int] = field(default_factory=dict)
    unseen_mm: float | None = None
    budget: str | None = None
    lacks_mm: float = 0.0
    is_decided: bool = False
    is_held: bool = False
    is_answered: bool | None = None  # False: no ack told how the last run ended
    unanswered_at: int = 0
    unanswered_id: str = ""
    run_ended_at: int = 0  # by the gateway's clock; of a run without an answer the last moment at which it may be open
    run_flow_l_min: float | None = None  # of the last run that a meter measured
    run_flow_at: int = 0
    leak_at: int = 0
    leak_l: float = 0.0


@dataclass(slots=True, kw_only=True)
class GatewayFacts:
    """A gateway: what its last status said, and how sure its clock is."""

    gateway_id: str
    state: str | None = None
    status_at: int = 0  # by its own clock
    status_heard_at: int = 0
    spoke_at: int = 0  # when it was first heard since the service listens
    heard_at: int = 0  # of any message
    sleeps_s: int = 0  # so long it may be silent, by the age that readings of its zones may have
    open_valves: tuple[str, ...] = ()
    outbox_dropped: int | None = None
    dropped_before: int | None = None
    dropped_at: int = 0
    unsure_since: int | None = None
    unsure_at: int = 0
    wakes_at: int = 0  # it sleeps until then, so nobody misses it before
    latched: tuple[str, ...] | None = None  # where it saw a leak, so that it opens nothing; None is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate by which somebody connects: of a thing, or `is_ca` of the authority that it trusts.

    `expires_at` in Unix s; `file` where it can be looked at, empty for one on a board.
    """

    thing: str
    is_ca: bool
    expires_at: int
    file: str = ""
    gateway_id: str | None = None

    @property
    def place(self) -> str:
        """Things that trust one authority share its end, which is one thing to do."""
        return f"ca-{self.expires_at}" if self.is_ca else self.thing


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFacts:
    """A command whose end is not known: for a run, when its valve is shut at the latest; for a stop, since when."""

    command_id: str
    zone_id: str | None
    gateway_id: str
    opens: bool
    issued_at: int
    shuts_by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastFacts:
    """A forecast, if the farm has one: how old (Unix s; None: none came), and for how many hours it tells enough."""

    fetched_at: int | None
    hours_ahead: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmState:
    """All that alarms go by. `listening_since`: nothing before that could be heard, so nothing is missed before."""

    now: int
    listening_since: int
    zones: Mapping[str, ZoneFacts]
    gateways: Mapping[str, GatewayFacts]
    commands: tuple[CommandFacts, ...] = ()
    forecast: ForecastFacts | None = None
    disk_free_bytes: int | None = None
    mistakes: tuple[str, ...] = ()  # of a zones file that is not gone by
    identities: Mapping[str, tuple[Identity, ...]] = field(default_factory=dict)  # by place


class Subject(NamedTuple):
    """Something that can be wrong: its name among those of its scope, and whose it is."""

    place: str
    zone_id: str | None
    gateway_id: str | None


Condition = Callable[[FarmState, Subject, bool], Answer]


class Words(NamedTuple):
    """What is wrong, what to do, and when the alarm ends, with {places} for values."""

    wrong: str
    to_do: str
    ends: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmKind:
    """A row of the table. `condition(state, subject, stands)` is laxer where the alarm already stands."""

    name: str
    severity: str
    scope: str
    condition: Condition
    after_s: int
    quiet_s: int
    words: Mapping[str, Words]


class Standing(NamedTuple):
    """What is remembered of a finding: when it was first and last found, and the alarm that it has become."""

    found_since: int
    seen_at: int
    alarm: Alarm | None


Key = tuple[str, str]  # kind, place
Memory = Mapping[Key, Standing]


class Changes(NamedTuple):
    """What an evaluation comes to: what is remembered after it, the alarms that are new, and those that are over."""

    memory: dict[Key, Standing]
    opened: tuple[Alarm, ...]
    ended: tuple[Alarm, ...]


def remember(rows: Iterable[AlarmRow], now: int) -> dict[Key, Standing]:
    """The alarms that stand, taken up again after a restart: as if each had been seen just now."""
    return {(row.alarm.kind, row.alarm.place): Standing(row.alarm.since, now, row.alarm) for row in rows}


def evaluate(
    kinds: Iterable[AlarmKind], state: FarmState, memory: Memory, only: Collection[str] | None = None
) -> Changes:
    """Look at every subject, or only at those of some zones and gateways."""
    after = dict(memory)
    opened: list[Alarm] = []
    ended: list[Alarm] = []
    for kind in kinds:
        keys = set()
        for subject in _SCOPES[kind.scope](state, only):
            keys.add((kind.name, subject.place))
            _follow(kind, subject, state, after, opened, ended)
        if only is None:
            _forget_the_gone(kind, keys, after, ended)
    return Changes(after, tuple(opened), tuple(ended))


def _follow(  # noqa: PLR0913, PLR0917  # a subject of a kind, and where its change goes
    kind: AlarmKind,
    subject: Subject,
    state: FarmState,
    after: dict[Key, Standing],
    opened: list[Alarm],
    ended: list[Alarm],
) -> None:
    key, now = (kind.name, subject.place), state.now
    before = after.get(key)
    stands = before is not None and before.alarm is not None
    answer = kind.condition(state, subject, stands)
    if answer == UNKNOWN:
        return
    if answer is None:
        if before and now - before.seen_at >= (kind.quiet_s if stands else 0):
            del after[key]
            if before.alarm:
                ended.append(before.alarm)
        return
    begun_at = before.found_since if before else now
    standing = Standing(begun_at, now, before.alarm if before else None)
    if standing.alarm is None and now - begun_at >= kind.after_s:
        alarm = _alarm(kind, subject, answer, now)
        opened.append(alarm)
        standing = standing._replace(alarm=alarm)
    after[key] = standing


def _forget_the_gone(kind: AlarmKind, keys: set[Key], after: dict[Key, Standing], ended: list[Alarm]) -> None:
    """What is no part of the farm any more has no alarms."""
    for key in [key for key in after if key[0] == kind.name and key not in keys]:
        standing = after.pop(key)
        if standing.alarm:
            ended.append(standing.alarm)


def _alarm(kind: AlarmKind, subject: Subject, finding: Finding, now: int) -> Alarm:
    return Alarm(
        alarm_id=f"{kind.name}:{subject.place}:{now}",
        kind=kind.name,
        place=subject.place,
        zone_id=subject.zone_id,
        gateway_id=subject.gateway_id,
        severity=kind.severity,
        since=min(finding.since, now),
        raised_at=now,
        values=finding.values,
    )


def _zones(state: FarmState, only: Collection[str] | None) -> Iterator[Subject]:
    return (Subject(zone.zone_id, zone.zone_id, zone.gateway_id) for zone in _chosen(state.zones, only))


def _gateways(state: FarmState, only: Collection[str] | None) -> Iterator[Subject]:
    return (Subject(one.gateway_id, None, one.gateway_id) for one in _chosen(state.gateways, only))


def _probes(state: FarmState, only: Collection[str] | None) -> Iterator[Subject]:
    for zone in _chosen(state.zones, only):
        for name in zone.verdicts or ():
            yield Subject(name, zone.zone_id, topics.gateway_of(name))


def _stops(state: FarmState, only: Collection[str] | None) -> Iterator[Subject]:
    for command in state.commands if only is None else ():
        if not command.opens:
            yield Subject(command.command_id, command.zone_id, command.gateway_id)


def _farm(_state: FarmState, only: Collection[str] | None) -> Iterator[Subject]:
    if only is None:
        yield Subject(FARM, None, None)


def _settings(state: FarmState, only: Collection[str] | None) -> Iterator[Subject]:
    """Other mistakes are another subject: an alarm keeps the words that it was raised with."""
    if only is None and state.mistakes:
        yield Subject(f"zones-{digest(' '.join(state.mistakes))[:8]}", None, None)


def _identities(state: FarmState, only: Collection[str] | None) -> Iterator[Subject]:
    for place, ones in state.identities.items() if only is None else ():
        yield Subject(place, None, ones[0].gateway_id if len(ones) == 1 else None)


F = TypeVar("F")


def _chosen(facts: Mapping[str, F], only: Collection[str] | None) -> list[F]:
    """By name, and not by a look at each: a decision is about one zone of many."""
    return list(facts.values()) if only is None else [facts[name] for name in only if name in facts]


_SCOPES: Mapping[str, Callable[[FarmState, Collection[str] | None], Iterator[Subject]]] = {
    "zone": _zones,
    "gateway": _gateways,
    "probe": _probes,
    "stop": _stops,
    "farm": _farm,
    "settings": _settings,
    "identity": _identities,
}


def worst(rows: Iterable[AlarmRow]) -> list[AlarmRow]:
    """The worst first, and of those the newest; what somebody has seen after what nobody has."""
    return sorted(
        rows,
        key=lambda row: (
            row.acknowledged_at is not None,
            SEVERITIES.index(row.alarm.severity),
            -row.alarm.raised_at,
            row.alarm.alarm_id,
        ),
    )
