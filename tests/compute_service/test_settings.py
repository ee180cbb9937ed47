"""The zones file while the service runs: who changes it, what becomes of that, and what a mistake in it does."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from compute_service import settings
from compute_service.adapters import zones_file
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.orders import DONE, REFUSED, WAITING
from compute_service.errors import ConfigError, OrderError, SettingsError
from compute_service.settings import Change, Edit, SettingsWatch
from tests.compute_service.bench import NOON, Bench
from tests.compute_service.people import People

PLOT = """
    gateway_id: irrigation-gateway-1
    crop: tomato
    sown: 2025-04-01
    soil: loam
    field_capacity: 0.29
    wilting_point: 0.12
    root_depth_m: 0.5
    area_m2: 100
    application_rate_mm_h: 120
    efficiency: 0.75
    max_run_s: 1800
    cooldown_s: 3600
    daily_cap_s: 5400
    max_reading_age_s: 3600
"""
TEXT = f"""farm: test farm
timezone: America/Toronto
latitude: 45.88
longitude: -72.48
elevation_m: 82
zones:
  - zone_id: plot-1a
    sensor_id: irrigation-gateway-1.soil-a{PLOT}"""
BROKEN = TEXT.replace("crop: tomato", "crop: tomatto")


class Settings:
    """A service that watches its zones file, and people who change that."""

    def __init__(self, path: Path, store: SqliteStore) -> None:
        path.write_text(TEXT, encoding="utf-8")
        self.path, self.store, self.seconds = path, store, 0
        self.bench = Bench(store, zones_file.load(path).zones)
        self.watch = SettingsWatch(path)
        self.bench.service.start(self.watch.first)

    def edit(self, text: str, by: str = "ana") -> None:
        """Somebody at a page saves another text."""
        now = settings.read(self.path)
        settings.edit(self.store, self.path, Edit(text=text, digest=now.digest, by=by, via="page", at=self.bench.now))

    def write(self, data: bytes) -> None:
        """Somebody changes the file itself; each time at another moment, whatever the clock of the disk is good for."""
        self.path.write_bytes(data)
        self.seconds += 1
        os.utime(self.path, (NOON + self.seconds, NOON + self.seconds))

    def look(self) -> Change | None:
        """The service looks at its file, as it does before each tick."""
        change = self.watch.change()
        if change:
            self.bench.service.take_settings(change)
        self.bench.tick(1)
        return change

    def orders(self) -> list[tuple[str, str, str, str]]:
        """Who ordered what, from where, and what became of it."""
        return [(row.order.by, row.order.via, row.state, row.reason) for row in self.store.orders.last()]

    def alarms(self) -> list[str]:
        """The sentences of the alarms that stand about the file."""
        rows = self.store.alarms.open()
        return [row.alarm.values["mistake"] for row in rows if row.alarm.kind == "settings_mistaken"]


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Settings]:
    with closing(SqliteStore(tmp_path / "compute.sqlite")) as store:
        yield Settings(tmp_path / "zones.yaml", store)


# an edit is an order


def test_an_edit_is_an_order_with_its_end(farm: Settings) -> None:
    """Who, when and from where, as of a stop; it waits for the service, and is done once that goes by it."""
    farm.edit(TEXT.replace("max_run_s: 1800", "max_run_s: 1200"))
    farm.bench.tick(1)
    [row] = farm.store.orders.last()
    assert (row.order.action, row.order.at, row.state, row.ended_at) == ("settings", NOON, WAITING, None)
    farm.look()
    assert farm.orders() == [("ana", "page", DONE, "")]
    states = [note["body"]["state"] for note in farm.store.journal.last(9, ("order",))]
    assert states == ["waiting", "done"]
    assert "1200" in (farm.store.updates.config() or "")


def test_what_was_edited_again_before_the_service_read_it_is_refused(farm: Settings) -> None:
    """Two edits in a row: the service goes by the second, and says so of the first."""
    farm.edit(TEXT.replace("1800", "1200"))
    farm.edit(TEXT.replace("1800", "600"), by="rui")
    farm.look()
    assert farm.orders() == [("ana", "page", REFUSED, settings.OVERTAKEN), ("rui", "page", DONE, "")]


def test_an_edit_waits_for_a_service_that_is_away(farm: Settings) -> None:
    """Saved while the service was down: it begins with the new text, and the order is done then."""
    farm.edit(TEXT.replace("1800", "1200"))
    again = Bench(farm.store, farm.bench.zones, now=NOON + 60)
    again.service.start(SettingsWatch(farm.path).first)
    assert [state for _, _, state, _ in farm.orders()] == [DONE]


def test_an_edit_that_cannot_be_is_no_order(farm: Settings) -> None:
    """A mistake, or a file that another changed meanwhile: a sentence, and neither file nor orders are other."""
    with pytest.raises(ConfigError, match="tomatto"):
        farm.edit(BROKEN)
    late = Edit(text=TEXT + "\n", digest="of another text", by="ana", via="page", at=NOON)
    with pytest.raises(SettingsError, match="was changed meanwhile"):
        settings.edit(farm.store, farm.path, late)
    assert (farm.orders(), farm.path.read_text(encoding="utf-8")) == ([], TEXT)


def test_nobody_orders_settings_without_a_text(farm: Settings) -> None:
    """By the way of a stop or a pause there are no settings to order."""
    with pytest.raises(OrderError, match="'settings' is no order"):
        People(farm.bench).give("settings")


# a mistake


def test_a_mistake_is_an_alarm_until_the_file_is_right(farm: Settings) -> None:
    """The farm goes by its old settings, the alarm has the sentence; another mistake is another alarm."""
    config = farm.store.updates.config()
    farm.write(BROKEN.encode())
    farm.look()
    assert farm.store.updates.config() == config
    [sentence] = farm.alarms()
    assert "zones.yaml:10: zone plot-1a, crop" in sentence
    assert "tomatto" in sentence
    farm.write(BROKEN.replace("tomatto", "potatto").encode())
    farm.look()
    [sentence] = farm.alarms()
    assert "potatto" in sentence
    farm.write(TEXT.encode())
    farm.look()
    assert farm.alarms() == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"farm: caf\xe9\n",
        b"\x00\x01",
        b"",
        b"[]",
        b"? {a: [}",
        b"&a [*a]",
        TEXT.replace("45.88", ".nan").encode(),
        TEXT.replace("America/Toronto", "../../etc").encode(),
        TEXT.replace("2025-04-01", "0000-00-00").encode(),
        TEXT.replace("area_m2: 100", "area_m2: 1e999").encode(),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_no_file_ends_the_service(farm: Settings, garbage: bytes) -> None:
    """Whatever somebody saves there, the service tells of it by line and remedy, and goes on."""
    farm.write(garbage)
    change = farm.look()
    assert change
    assert change.config is None
    assert len(farm.alarms()) == 1


def test_a_mistake_ends_with_a_start_on_the_right_file(farm: Settings) -> None:
    """Mended while the service was down: the alarm is over with its first look."""
    farm.write(BROKEN.encode())
    farm.look()
    farm.write(TEXT.encode())
    again = Bench(farm.store, farm.bench.zones, now=farm.bench.now + 60)
    again.service.start(SettingsWatch(farm.path).first)
    again.tick()
    assert farm.alarms() == []


def test_a_file_that_is_away_changes_nothing(farm: Settings) -> None:
    """An editor that replaces the file is not a farm without zones; what takes its place is read."""
    farm.path.unlink()
    assert (farm.watch.is_changed(), farm.look()) == (False, None)
    farm.write(TEXT.replace("1800", "900").encode())
    assert farm.watch.is_changed()
    assert farm.look()
    assert not farm.watch.is_changed()
