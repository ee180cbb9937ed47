"""A service is one farm's: its zones, its store and its identity are of the farm that it was started for."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from certs.authority import Authority
from compute_service import settings
from compute_service.__main__ import main
from compute_service.adapters import zones_file
from compute_service.adapters.schema import SCHEMAS
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import Store
from compute_service.errors import ConfigError
from compute_service.settings import Edit, SettingsWatch
from protocol import farms, topics
from tests.compute_service.bench import Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.test_zones_file import GOOD, write

DEFAULT, ONE, TEN = "irrigation", "sitio1", "sitio10"


def zones_of(gateway: str) -> str:
    """A zones file whose one zone is on this gateway."""
    return GOOD.replace("irrigation-gateway-1", gateway)


@pytest.mark.parametrize("turn", ["one test", "the next one"])
def test_no_test_leaves_its_farm_to_another(turn: str) -> None:
    """Each begins with the default farm's topics, and without a farm of the shell that it was started from."""
    assert topics.updates() == "irrigation/system/updates", turn
    assert farms.SETTING not in os.environ
    topics.use(farms.root(ONE))


@pytest.fixture(params=["sqlite", "in memory"])
def either_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with closing(SqliteStore(tmp_path / "store") if request.param == "sqlite" else InMemoryStore()) as store:
        yield store


@pytest.mark.parametrize(
    ("farm", "gateway", "is_good"),
    [
        (ONE, "sitio1-gateway-1", True),
        (ONE, "sitio1-barn", True),
        (ONE, "sitio10-gateway-1", False),
        (ONE, "irrigation-gateway-1", False),
        (ONE, "barn", False),
        (DEFAULT, "irrigation-gateway-1", True),
        (DEFAULT, "north-barn", True),
        (DEFAULT, "sensors-gateway-1", True),  # no farm can be called so
        (DEFAULT, "sitio1-gateway-1", False),
        (DEFAULT, "sitio1-compute", False),
        (DEFAULT, "12abc34501de35-gateway-3", False),
    ],
)
def test_a_farm_s_zones_are_on_its_own_gateways(tmp_path: Path, farm: str, gateway: str, is_good: bool) -> None:
    """A gateway of another farm hears none of this one's commands, so that its zone would never be watered."""
    path = write(tmp_path, zones_of(gateway))
    assert zones_file.load(path).zones[0].gateway_id == gateway
    if is_good:
        assert zones_file.load(path, farm).zones[0].gateway_id == gateway
        return
    with pytest.raises(ConfigError) as told:
        zones_file.load(path, farm)
    [mistake] = told.value.mistakes
    assert f"zones.yaml:8: zone plot-1a, gateway_id: '{gateway}': is a thing of the farm" in mistake
    assert f"this one is {farm}, whose gateways are called as {farm}-gateway-1" in mistake


def test_a_farm_s_nodes_are_its_own(tmp_path: Path) -> None:
    """Boards without a valve are heard as little, if they are of another farm."""
    path = write(tmp_path, zones_of("sitio1-gateway-1").replace("zones:", "nodes: [sitio1-barn, sitio10-barn]\nzones:"))
    with pytest.raises(ConfigError, match=r"nodes: 'sitio10-barn': is a thing of the farm") as told:
        zones_file.load(path, ONE)
    assert len(told.value.mistakes) == 1


def test_a_running_service_does_not_take_another_farm_s_zones(tmp_path: Path) -> None:
    """What is changed while it runs is held to the same: the mistake is told, and the old zones stay."""
    path = write(tmp_path, zones_of("sitio1-gateway-1"))
    watch = SettingsWatch(path, ONE)
    write(tmp_path, zones_of("sitio10-gateway-1"))
    change = watch.change()
    assert change is not None
    assert change.config is None
    assert "is a thing of the farm sitio10, and this one is sitio1" in change.mistakes[0]


def test_nobody_saves_zones_of_another_farm_than_the_store_s(tmp_path: Path, either_store: Store) -> None:
    """The console knows the farm by the store; the file stays as it is."""
    path = write(tmp_path, zones_of("sitio1-gateway-1"))
    either_store.updates.keep_root(farms.root(ONE))
    edit = Edit(text=zones_of("sitio10-gateway-1"), digest=settings.read(path).digest, by="ana", via="page", at=1)
    with pytest.raises(ConfigError, match="and this one is sitio1"):
        settings.edit(either_store, path, edit)
    assert path.read_text() == zones_of("sitio1-gateway-1")
    assert not either_store.orders.open()


def test_the_first_root_is_the_store_s(either_store: Store) -> None:
    """Whatever is given later, a store is the farm's that it was begun for."""
    assert either_store.updates.root() is None
    assert either_store.updates.keep_root("irrigation/sitio1") == "irrigation/sitio1"
    either_store.updates.save_config("a farm")
    assert either_store.updates.keep_root("irrigation/sitio10") == "irrigation/sitio1"
    assert either_store.updates.root() == "irrigation/sitio1"


def test_a_store_that_was_begun_without_one_is_the_default_farm_s(either_store: Store) -> None:
    """There was no other farm then."""
    Bench(either_store, (zone("a"),)).hear_reading("a")
    assert either_store.updates.keep_root("irrigation/sitio1") == "irrigation"


@pytest.mark.parametrize("version", range(1, 9))
def test_a_store_of_an_old_version_is_the_default_farm_s(tmp_path: Path, version: int) -> None:
    """Each of the versions before, by the rows that every service of it left at its work."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as old:
        for schema in SCHEMAS[:version]:
            old.executescript(schema)
        old.executescript(f"PRAGMA user_version={version}; INSERT INTO zones (zone_id, epoch) VALUES ('plot-1a', 7);")
    with closing(SqliteStore(path)) as store:
        assert store.updates.keep_root("irrigation/sitio1") == "irrigation"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--zones", "ten.yaml"],
            "gateway_id: 'sitio10-gateway-1': is a thing of the farm sitio10, and this one is sitio1",
        ),
        (
            ["--certs", "certs/sitio10-compute"],
            "is the identity of sitio10-compute, a thing of the farm sitio10, and --farm is sitio1; give the",
        ),
        (
            ["--store", "ten.sqlite"],
            "is the store of the farm sitio10, and --farm is sitio1; give --farm sitio10, or another --store",
        ),
        (["--store", "old.sqlite"], "old.sqlite: is the store of the farm irrigation, and --farm is sitio1"),
    ],
)
def test_a_service_begins_with_nothing_of_another_farm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    """Zones, identity or store of a farm that `--farm` does not name: one line that names both, and code 2."""
    monkeypatch.chdir(tmp_path)
    authority = Authority(tmp_path / "certs")
    for farm in (ONE, TEN):
        authority.issue(farms.compute(farm))
    Path("one.yaml").write_text(zones_of("sitio1-gateway-1"))
    Path("ten.yaml").write_text(zones_of("sitio10-gateway-1"))
    with closing(SqliteStore("ten.sqlite")) as ten, closing(SqliteStore("old.sqlite")) as old:
        ten.updates.keep_root(farms.root(TEN))
        old.updates.count("samples")
    usual = ["--zones", "one.yaml", "--certs", "certs/sitio1-compute", "--store", "new.sqlite", "--port", "1"]
    assert main(["run", "--farm", ONE, *usual, *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert told in line
