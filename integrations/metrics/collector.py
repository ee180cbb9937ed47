"""What Prometheus is told, each time it asks: base units, one prefix, and no label that grows without end.

Times are the service's own, as everything on the farm; `pythoflow_service_time_seconds` is now by that clock.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from compute_service.commands import SETTLED, TRANSITIONS
from compute_service.domain.alarms import SEVERITIES
from compute_service.domain.gateway_status import is_gone
from integrations.farm_now import CLOSED, FarmNow, FarmReader, ZoneNow, litres

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
DECISIONS = "decisions_"  # a counter of the service for each check that kept water back
FINAL = (*SETTLED, "withdrawn")  # states that a command never leaves
USES = {  # what became of arriving messages and samples: a counter of the service -> kind
    "reading_messages": "reading",
    "ack_messages": "ack",
    "status_messages": "status",
    "error_messages": "error",
    "diagnostics_messages": "diagnostics",
}
REFUSALS = {  # what was of no use: a counter of the service -> reason
    "refusals": "refused",
    "unproven_messages": "unproven",
    "readings_not_newer": "repeated",
    "readings_without_zone": "without_zone",
    "samples_of_unsure_time": "unsure_time",
    "samples_from_the_future": "from_the_future",
    "samples_without_vwc": "without_moisture",
    "acks_without_effect": "ack_without_effect",
    "messages_over_rate": "over_rate",
    "reports_not_noted": "not_noted",
}


class _ZoneGauge(NamedTuple):
    name: str
    text: str
    value: Callable[[ZoneNow], float | None]


class _StatusGauge(NamedTuple):
    name: str
    text: str
    field: str  # of a status message


ZONE_GAUGES = (
    _ZoneGauge(
        "pythoflow_zone_moisture_ratio",
        "Water per soil by volume, the mean of the zone's probes.",
        lambda zone: zone.moment.vwc if zone.moment else None,
    ),
    _ZoneGauge(
        "pythoflow_zone_depletion_meters",
        "Water that the roots lack.",
        lambda zone: _metres(zone.moment.depletion_mm if zone.moment else None),
    ),
    _ZoneGauge(
        "pythoflow_zone_due_depletion_meters",
        "What the roots may lack before water is due.",
        lambda zone: _metres(zone.moment.due_mm if zone.moment else None),
    ),
    _ZoneGauge(
        "pythoflow_zone_decided_timestamp_seconds",
        "When the zone was last decided about.",
        lambda zone: zone.moment.at if zone.moment else None,
    ),
    _ZoneGauge("pythoflow_zone_open", "1 while the valve is not shut.", lambda zone: float(zone.valve != CLOSED)),
    _ZoneGauge("pythoflow_zone_held", "1 while a person holds it or the farm.", lambda zone: float(bool(zone.holds))),
)
STATUS_GAUGES = (
    _StatusGauge("pythoflow_gateway_uptime_seconds", "Since the gateway's boot.", "uptime_s"),
    _StatusGauge("pythoflow_gateway_heap_free_bytes", "Memory that the gateway has left.", "heap_free_bytes"),
    _StatusGauge("pythoflow_gateway_signal_dbm", "Strength of the gateway's radio signal.", "rssi_dbm"),
    _StatusGauge("pythoflow_outbox_messages", "Messages that wait in the gateway for the broker.", "outbox_depth"),
)


class FarmCollector(Collector):
    """Reads the store at each scrape; safe in many threads. `wall_now` is the world's clock (Unix s)."""

    def __init__(self, reader: FarmReader, wall_now: Callable[[], float], version: str) -> None:
        self._reader, self._wall_now, self._version = reader, wall_now, version
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Nothing to know ahead: reading waits until somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric. Raises StoreError."""
        with self._lock:
            farm = self._reader.read(self._wall_now())
            yield InfoMetricFamily("pythoflow_build", "The program.", {"version": self._version})
            yield from _of_the_service(farm)
            yield from _of_zones(farm)
            yield from _of_gateways(farm)
            yield self._water(farm)
            yield from self._of_commands()
            yield from self._of_counters()

    def _water(self, farm: FarmNow) -> Metric:
        zones = {zone.zone.zone_id: zone.zone for zone in farm.zones}
        metric = CounterMetricFamily(
            "pythoflow_zone_water_liters",
            "Water that settled runs gave, by who measured it; what nobody did counts by the nominal flow.",
            labels=["zone", "source"],
        )
        for total in self._reader.totals():
            if zone := zones.get(total.zone_id):
                metric.add_metric([total.zone_id, total.source], litres(total, zone))
        return metric

    def _of_commands(self) -> Iterator[Metric]:
        counts = self._reader.store.commands.counts()
        ended = CounterMetricFamily("pythoflow_commands", "Commands that came to their end.", labels=["state"])
        under_way = GaugeMetricFamily(
            "pythoflow_commands_open", "Commands whose end no gateway has told yet.", labels=["state"]
        )
        for state in sorted({*counts, *TRANSITIONS, *FINAL}):
            (ended if state in FINAL else under_way).add_metric([state], counts.get(state, 0))
        yield from (ended, under_way)

    def _of_counters(self) -> Iterator[Metric]:
        counters = self._reader.store.updates.counters()
        decisions = CounterMetricFamily(
            "pythoflow_decisions",
            "Decisions, by the check that kept water back, or none.",
            labels=["check"],
        )
        for name in sorted(counters):
            if name.startswith(DECISIONS):
                decisions.add_metric([name.removeprefix(DECISIONS)], counters[name])
        messages = CounterMetricFamily("pythoflow_messages", "Messages that were taken in.", labels=["kind"])
        for name, kind in USES.items():
            messages.add_metric([kind], counters.get(name, 0))
        useless = CounterMetricFamily(
            "pythoflow_readings_refused", "Messages and samples that were of no use.", labels=["reason"]
        )
        for name, reason in REFUSALS.items():
            useless.add_metric([reason], counters.get(name, 0))
        yield from (decisions, messages, useless)


def text(collector: FarmCollector) -> bytes:
    """All metrics as Prometheus reads them, for whoever has a server: with CONTENT_TYPE. Raises StoreError."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)


def _of_the_service(farm: FarmNow) -> Iterator[Metric]:
    yield _gauge("pythoflow_service_up", "1 while the service lives.", float(farm.is_serving))
    yield _gauge("pythoflow_service_time_seconds", "Now, by the service's clock.", farm.now)
    yield _gauge("pythoflow_orders_waiting", "Orders of people that have not come to their end.", len(farm.orders))
    standing = GaugeMetricFamily("pythoflow_alarms", "Alarms that stand.", labels=["severity"])
    for severity in SEVERITIES:
        standing.add_metric([severity], sum(row.alarm.severity == severity for row in farm.alarms))
    yield standing
    yield _gauge("pythoflow_farm_held", "1 while a person has stopped or paused the farm.", float(bool(farm.holds)))


def _of_zones(farm: FarmNow) -> Iterator[Metric]:
    for row in ZONE_GAUGES:
        metric = GaugeMetricFamily(row.name, row.text, labels=["zone"])
        for zone in farm.zones:
            if (value := row.value(zone)) is not None:
                metric.add_metric([zone.zone.zone_id], value)
        yield metric


def _of_gateways(farm: FarmNow) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "pythoflow_gateway_up", "1 while the gateway says that it is online, or sleeps.", labels=["gateway"]
    )
    last_status = GaugeMetricFamily(
        "pythoflow_gateway_last_status_timestamp_seconds", "When a status was last heard.", labels=["gateway"]
    )
    dropped = CounterMetricFamily(
        "pythoflow_outbox_dropped_samples",
        "Samples that a full outbox lost, over all boots.",
        labels=["gateway"],
    )
    rows = {name: row for name, row in farm.gateways.items() if row}
    for name in farm.gateways:
        up.add_metric([name], float(name in rows and not is_gone(rows[name], farm.now)))
    for name, row in rows.items():
        last_status.add_metric([name], row["heard_at"])
        dropped.add_metric([name], row["status"].get("outbox_dropped") or 0)
    yield from (up, last_status, dropped)
    for gauge in STATUS_GAUGES:
        metric = GaugeMetricFamily(gauge.name, gauge.text, labels=["gateway"])
        for name, row in rows.items():
            if (value := row["status"].get(gauge.field)) is not None:
                metric.add_metric([name], value)
        yield metric


def _gauge(name: str, text_: str, value: float) -> Metric:
    metric = GaugeMetricFamily(name, text_)
    metric.add_metric([], value)
    return metric


def _metres(millimetres: float | None) -> float | None:
    return None if millimetres is None else millimetres / 1000
