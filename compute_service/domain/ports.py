"""What the service must still know after a crash, as seven ports named by their use, and the store that has them.

Each method is all or nothing by itself. What belongs together is written inside one `Store.transaction`, which spans
the seven: that is why it is the store's, and none of theirs. Values go in and come out as copies, so whoever changes a
message later does not change what was kept. An id that is taken is a mistake of the caller, and raises ValueError,
except where a method says that it answers False, or leaves the row as it is.

Two stores hold to all this, by one test: `adapters/sqlite` and, for tests, `tests/compute_service/in_memory`.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypedDict

from compute_service.domain.alarms import Alarm, AlarmRow
from compute_service.domain.decide import Run, ZoneState
from compute_service.domain.hourly_weather import HourRecord
from compute_service.domain.orders import Hold, Order, OrderRow
from compute_service.domain.zone import Zone
from compute_service.domain.zone_model import Sample, Water, ZoneModel

if TYPE_CHECKING:
    from protocol.messages import Command, Status

HOURS_KEPT_S, WEATHER_KEPT_S, STATUSES_KEPT_S = 40 * 86400, 3 * 86400, 40 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    """A remembered command: its state, and the message exactly as it was published.

    `give_up_at` (Unix s) is None once it is closed. `is_booked`: its water is in the zone's book, be it assumed.
    `zone_id` None: it is for all zones of its gateway.
    """

    command_id: str
    zone_id: str | None
    gateway_id: str
    state: str
    message: "Command"
    give_up_at: int | None
    is_booked: bool
    code: str | None = None  # of the last ack that had one


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What an ack said about a run; `volume_l` is None, and `source` none, where nothing measured or estimated it."""

    command_id: str
    zone_id: str
    ended_at: int
    duration_s: float
    volume_l: float | None
    source: str
    end_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterTotal:
    """What the settled runs of a zone gave since ever, by who measured it: litres, and seconds of those without."""

    zone_id: str
    source: str
    runs: int
    litres: float
    unmeasured_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterRow:
    """Water out of a zone's emitters: litres, or seconds at the nominal rate where they are None.

    `back_s`: so many seconds were booked before, and are taken back.
    """

    water_id: str
    zone_id: str
    at: int
    litres: float | None
    duration_s: float
    source: str
    back_s: float = 0


class News(NamedTuple):
    """What the zone's model does not know yet, the oldest first."""

    water: tuple[Water, ...]
    samples: tuple[Sample, ...]


class DecisionRow(TypedDict):
    """A decision with its reasons as they were recorded; those of an old service have no receipt: an empty one."""

    decision_id: str
    zone_id: str
    at: int
    command_id: str | None
    sentence: str
    intent: dict[str, Any] | None
    checks: list[dict[str, Any]]
    receipt: dict[str, Any]


class UpdateRow(TypedDict):
    """Settings for a gateway or a group, and how far they are: `queued`, `pending` (published), `sent`."""

    update_id: str
    device_id: str
    settings: dict[str, int]
    state: str


class GatewayRow(TypedDict):
    """What a status claimed of a gateway: the whole message, `at` its own time and `heard_at` ours (Unix s)."""

    gateway_id: str
    state: str
    at: int
    heard_at: int
    status: dict[str, Any]


class JournalRow(TypedDict):
    """Something that happened: `seq` rises by each, and is never used again; `at` is the service's time (Unix s)."""

    seq: int
    at: int
    kind: str
    zone_id: str | None
    gateway_id: str | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A zone as a decision found it, in plain numbers: m3/m3, mm over the zone, litres since the decision before."""

    zone_id: str
    at: int
    vwc: float | None
    depletion_mm: float | None
    due_mm: float | None
    sigma_mm: float | None
    litres: float


class Beat(NamedTuple):
    """That the service lived: its time (Unix s), the world's (Unix s), and how fast the former runs."""

    at: int
    wall_s: float
    speed: float


class ZoneMemory(Protocol):
    """What is believed of the zones, and what waits to be taken into account: samples, water, the farm's weather."""

    def save_sample(self, zone_id: str, sample: Sample, key: tuple[int, str], due_at: int | None) -> bool:
        """Keep a sample for its zone's next decision, and when that is due unless it is settled; False if it is known.

        `key` is the rest of its identity: seq and boot_id.
        """

    def due(self) -> dict[str, int]:
        """When each zone that waits for a decision is to be decided about (Unix s), by name."""

    def forget(self, zone_id: str) -> None:
        """The zone is none any more, so its samples wait for nothing. Water and model stay, should it come back."""

    def add_water(self, water: WaterRow) -> bool:
        """Book water of a zone; False if that id is booked already."""

    def news(self, zone: Zone) -> News:
        """What is new about a zone: water, and of a sensor and time the newest of the samples that have a value."""

    def zone_state(self, zone: Zone, runs_since: int, today: int, season: int) -> ZoneState:
        """What `decide` wants to know of valves: a command under way, late runs, and litres since both times.

        No ack ever said how an expired command ended, so its run counts as long as it was allowed to be.
        """

    def save_unbooked_run(self, zone_id: str, run: Run) -> None:
        """What the zone's gateway gave without this store knowing; `zone_state` has it among the runs, the last one."""

    def model(self, zone: Zone) -> ZoneModel | None:
        """What is believed of a zone, or None."""

    def save_model(self, zone: Zone, model: ZoneModel, hours: Iterable[HourRecord]) -> None:
        """Keep what is believed of a zone now that it is decided about: all its news is known, and nothing is due.

        `hours`: the weather at its gateway that it went through. Kept once; what is too old to be asked for is
        forgotten.
        """

    def save_weather(self, gateway_id: str, measured_at: int, key: tuple[int, str], quantities: dict[str, Any]) -> None:
        """Keep a sample of a weather station, once; `key` is seq and boot_id."""

    def weather(self, gateway_id: str, begin: int, end: int) -> list[dict[str, Any]]:
        """A station's samples of a time (`end` is not in it), the oldest first, each with its `measured_at`."""

    def hour(self, gateway_id: str, at: int) -> HourRecord | None:
        """An hour of weather that was reckoned before, or None."""


class CommandLog(Protocol):
    """Every command that was ever given, what became of it, and the epochs that were used."""

    def add(self, gateway_id: str, message: "Command", give_up_at: int) -> None:
        """Remember a command before it is published, as `pending`; one of no zone is for its whole gateway."""

    def get(self, command_id: str) -> CommandRow | None:
        """A remembered command, or None."""

    def in_states(self, *states: str, place: tuple[str, str] | None = None, since: int = 0) -> list[CommandRow]:
        """All commands in one of these states, the oldest first; of a `place` in any state, where none is named.

        `place`: a gateway and its zone, with what is for all of its zones; `since`: issued then or later.
        """

    def open(self, overdue_at: int | None = None) -> list[CommandRow]:
        """The commands whose end is not known yet; with a time, only those whose wait for an ack is over by then."""

    def last_plans(self, zone_id: str | None = None) -> list[CommandRow]:
        """The newest fallback plan of every zone that ever had one, by name; or of one zone, if it had any."""

    def move(
        self,
        command_id: str,
        state: str,
        code: str | None,
        *,
        give_up_at: int | None = None,
        closed_at: int | None = None,
    ) -> None:
        """The command is in another state: open until `give_up_at`, or closed. A code that is None leaves the last."""

    def add_delivery(self, delivery: Delivery) -> None:
        """Keep what a command delivered; a command can only be settled once."""

    def deliveries(self) -> list[Delivery]:
        """All settled deliveries, the oldest first."""

    def totals(self) -> list[WaterTotal]:
        """The same, summed by zone and source, in their order: sums that only ever grow."""

    def counts(self) -> dict[str, int]:
        """How many commands are in each state."""

    def epoch(self, zone_id: str) -> int:
        """The largest epoch that was ever used for, or reported by, the zone; 0 if none was."""

    def raise_epoch(self, zone_id: str, epoch: int) -> None:
        """Never use an epoch up to this one again."""


class DecisionBook(Protocol):
    """Every decision, with its reasons for people and its inputs for `replay`."""

    def add(
        self, decision_id: str, decision: Mapping[str, Any], command_id: str | None, inputs: Mapping[str, Any]
    ) -> None:
        """Keep a decision (its `to_json`) with all its reasons, and the inputs that it can be repeated from."""

    def get(self, decision_id: str) -> DecisionRow | None:
        """One decision, or None."""

    def last(self, count: int = 20, zone_id: str | None = None) -> list[DecisionRow]:
        """The last decisions, of one zone or of all, the oldest first."""

    def inputs(self, decision_id: str) -> dict[str, Any] | None:
        """What a decision can be repeated from; None if that was not kept."""

    def with_inputs(self, begin: int, end: int) -> Iterator[tuple[DecisionRow, dict[str, Any]]]:
        """The decisions of a time, zone by zone in the order they were made, each with its inputs."""

    def forget(self, before: int) -> int:
        """Forget the decisions before a time; gives how many."""

    def zone_ids(self) -> list[str]:
        """Every zone that was ever heard of, by name."""

    def save_settings(self, digest: str, text: str) -> None:
        """Keep a zone's settings, once, under the digest that decisions name them by."""

    def settings(self, digest: str) -> str:
        """A zone's settings as they were kept; raises StoreError if they are not there."""


class Updates(Protocol):
    """What other processes queue for the running service, and what it has to show: of its gateways, and how much."""

    def add(self, update_id: str, device_id: str, settings: Mapping[str, int]) -> None:
        """Queue an update of gateway settings for the running service to publish."""

    def in_states(self, *states: str) -> list[UpdateRow]:
        """The updates in one of these states, in the order of their ids, so of their times."""

    def move(self, update_id: str, state: str) -> None:
        """The update is `pending` (published) or `sent` (the broker has it)."""

    def save_gateway(self, status: "Status", heard_at: int) -> None:
        """What a status claimed about a gateway, whole; what is too old to be asked for is forgotten."""

    def gateways(self) -> list[GatewayRow]:
        """What the last statuses said, by gateway; a last will is a hint.

        The service itself goes by none of it; it is for people.
        """

    def statuses(self, gateway_id: str, begin: int, end: int) -> list[GatewayRow]:
        """What a gateway's statuses claimed, as they were heard in a time (`end` is not in it), the oldest first."""

    def save_config(self, text: str) -> None:
        """The farm as the service knows it now; see `inputs.config_text`."""

    def config(self) -> str | None:
        """The farm as the service knew it last, or None."""

    def keep_root(self, root: str) -> str:
        """The root of its farm's topics, which is the first that was given here.

        Of what was begun before there was a second farm it is the default farm's.
        """

    def root(self) -> str | None:
        """The root that was kept, or None."""

    def count(self, name: str) -> None:
        """One more of what is counted under a name."""

    def counters(self) -> dict[str, int]:
        """How often each thing happened, by name: messages, refusals, samples of no use. For people, as `gateways`."""


class OrderBook(Protocol):
    """What people order, and what they hold."""

    def add(self, order: Order) -> bool:
        """Write an order down for the running service; False if one of its key is there, or of its id."""

    def get(self, order_id: str) -> OrderRow | None:
        """An order and what became of it, or None."""

    def of_key(self, key: str) -> OrderRow | None:
        """The order that was given under a key, or None."""

    def open(self) -> list[OrderRow]:
        """The orders that have not come to their end, in the order in which they were given."""

    def last(self, count: int = 20) -> list[OrderRow]:
        """The last orders, the oldest first."""

    def move(
        self,
        order_id: str,
        state: str,
        *,
        reason: str = "",
        ended_at: int | None = None,
        command_ids: Iterable[str] = (),
    ) -> None:
        """The order is in another state; with a time it is at its end."""

    def forget(self, before: int) -> int:
        """Forget the orders that came to their end before a time; gives how many."""

    def hold(self, hold: Hold) -> None:
        """Hold a zone or the farm; a hold of that kind and place that is there already stays as it is.

        One that has a longer `until`, or none, takes its place: a hold never becomes shorter by another.
        """

    def holds(self) -> list[Hold]:
        """All that was held and not released, in the order of kind and place; some may be over by their time."""

    def release(self, kinds: Iterable[str], zone_id: str | None) -> list[Hold]:
        """Let go of the holds of some kinds at a zone, or with None at the farm; says which there were."""


class Journal(Protocol):
    """What happened, in the order in which it did; how the zones were; and that the service lives. For people."""

    def add(self, at: int, kind: str, zone_id: str | None, gateway_id: str | None, body: Mapping[str, Any]) -> int:
        """Something happened; gives its number."""

    def after(self, seq: int, limit: int = 1000) -> list[JournalRow]:
        """What came after a number, the oldest first."""

    def last(self, count: int = 100, kinds: Iterable[str] = (), zone_id: str | None = None) -> list[JournalRow]:
        """The last of what happened, of some kinds or of all, at one zone or anywhere, the oldest first."""

    def newest(self) -> int:
        """The number of what happened last; 0 if nothing did."""

    def forget(self, kinds: Iterable[str], before: int) -> int:
        """Forget what happened of some kinds before a time; gives how much."""

    def add_moment(self, moment: Moment) -> None:
        """How a zone was when it was decided about; one a zone and time, the first of them."""

    def moments(
        self, zone_id: str, begin: int, end: int, last: int | None = None, *, most: int | None = None
    ) -> list[Moment]:
        """How a zone was in a time (`end` is not in it), the oldest first; all of them, or the last so many.

        Or in at most so many: where there are more, their time is parted evenly, and each is the last of its part, with
        the litres of all of it to a tenth.
        """

    def shorten_moments(self, before: int, begin: int, end: int) -> None:
        """Forget how the zones were before a time, and from `begin` to `end` keep one moment a zone and hour.

        That is the hour's last, with the litres of all of them; `end` is not in it.
        """

    def newest_moments(self, zone_ids: Iterable[str] | None = None) -> list[Moment]:
        """How each zone was last, by name; of these zones, or of all that were ever heard of."""

    def water(self, zone: Zone, begin: int, end: int) -> list[WaterRow]:
        """A zone's water of a time (`end` is not in it), the oldest first, each with the litres that it counts for."""

    def beat(self, beat: Beat) -> None:
        """The service lives."""

    def last_beat(self) -> Beat | None:
        """When it last lived, or None."""


class AlarmBook(Protocol):
    """The alarms that were raised, who has seen them, and when they ended."""

    def add(self, alarm: Alarm) -> bool:
        """An alarm is raised; False if one of its id is there."""

    def get(self, alarm_id: str) -> AlarmRow | None:
        """An alarm and what became of it, or None."""

    def open(self) -> list[AlarmRow]:
        """The alarms that have not ended, in the order in which they were raised."""

    def last(self, count: int = 20) -> list[AlarmRow]:
        """The last alarms, the oldest first."""

    def acknowledge(self, alarm_id: str, by: str, at: int) -> bool:
        """Somebody has seen it; False if somebody had before, or there is none. The first stays."""

    def end(self, alarm_id: str, at: int) -> bool:
        """It is over; False if it was before, or there is none."""

    def forget(self, before: int) -> int:
        """Forget the alarms that ended before a time; gives how many."""


class Store(Protocol):
    """The seven in one place, and the transaction that spans them."""

    @property
    def zones(self) -> ZoneMemory:
        """What is believed of the zones."""

    @property
    def commands(self) -> CommandLog:
        """What was commanded."""

    @property
    def decisions(self) -> DecisionBook:
        """What was decided."""

    @property
    def updates(self) -> Updates:
        """What is queued, and what is to be shown."""

    @property
    def orders(self) -> OrderBook:
        """What people ordered."""

    @property
    def journal(self) -> Journal:
        """What happened."""

    @property
    def alarms(self) -> AlarmBook:
        """What is wrong."""

    def transaction(self, *, durable: bool = False) -> AbstractContextManager[None]:
        """All or nothing, whatever is raised inside. Nested, it joins the outer one.

        `durable`: it survives a power cut, once it is over (that takes milliseconds on a disk).
        """

    def bring_back(self, now: int, soon: int, life: int) -> None:
        """The clock was ahead: no run, no wait and no hold of a close that was written then is later than `now`.

        Samples of more than `soon` seconds ahead are forgotten, and how the zones and gateways were; an open that was
        given then is waited for as if it were given now, `life` seconds and its own.
        """
