"""What programs see: the API, who may do what, and what is said of a mistake."""

import csv
import io
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from prometheus_client.parser import text_string_to_metric_families

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.inputs import config_text
from compute_service.plans import Planner
from console.rights import RIGHTS
from integrations.farm_now import FarmReader
from integrations.metrics import CONTENT_TYPE, FarmCollector, text
from integrations.version import version
from tests.console.conftest import console_on
from tests.console.living import ZONES_FILE, LivingFarm, living_farm
from tests.console.site_of_test import Site
from web.roles import Role


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, LivingFarm]]:
    """A farm whose service does nothing between two requests, and its console."""
    folder = tmp_path_factory.mktemp("quiet")
    (folder / "zones.yaml").write_text(ZONES_FILE, encoding="utf-8")
    with living_farm(folder / "compute.sqlite", hours=2) as farm, console_on(folder, wait_s=0) as site:
        yield site, farm


def filled(path: str) -> str:
    places = {"zone_id": "plot-1a", "gateway_id": "irrigation-gateway-1", "decision_id": "D", "order_id": "O"}
    places |= {"alarm_id": "A", "path:path": "console.css"}
    for name, value in places.items():
        path = path.replace("{" + name + "}", value)
    return path


def test_every_route_and_role(quiet: tuple[Site, LivingFarm]) -> None:
    """From the one table: who may less than a route needs changes nothing and hears why; who may enough gets in."""
    site, farm = quiet
    tokens = {role: site.access.add_token(f"machine-{role}", role) for role in Role}
    begin = farm.store.journal.newest()
    for key, needs in RIGHTS.items():
        method, _, path = key.partition(" ")
        for role in Role:
            if needs is None or role.may(needs) or path == "/events":
                continue
            answer = site.ask(method, filled(path), headers={"Authorization": f"Bearer {tokens[role]}"})
            assert answer.status == 403, (key, role)
            assert f"needs the role {needs}" in answer.json["error"]
    assert farm.store.journal.newest() == begin
    for key, needs in RIGHTS.items():
        method, _, path = key.partition(" ")
        if method == "GET" and path != "/events":
            token = {"Authorization": f"Bearer {tokens[needs or Role.SEE]}"}
            assert site.ask("GET", filled(path), headers=token).status in {200, 303, 404}, key
    for role in Role:
        site.access.revoke_token(f"machine-{role}")
    assert site.ask("GET", "/api/v1/farm", headers={"Authorization": f"Bearer {tokens[Role.SEE]}"}).status == 401


def test_prometheus_reads_the_farm_with_a_token(quiet: tuple[Site, LivingFarm]) -> None:
    """The same metrics as of the process beside the service; its own parser reads them. With users it wants a token,
    and one that may see is enough."""
    site, farm = quiet
    assert site.ask("GET", "/metrics").status == 200  # without users, on this machine alone
    site.access.add_user("ana", "a long password", Role.SEE)
    token = site.access.add_token("prometheus", Role.SEE)
    try:
        assert site.ask("GET", "/metrics").status == 401
        answer = site.ask("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
    finally:
        site.access.delete_user("ana")
        site.access.revoke_token("prometheus")
    assert answer.headers["Content-Type"] == CONTENT_TYPE
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    zones = {sample.labels["zone"] for sample in families["pythoflow_zone_open"].samples}
    assert zones == {zone.zone_id for zone in farm.bench.config.zones}
    with closing(SqliteStore.reader(site.folder / "compute.sqlite")) as store:
        beside = text(FarmCollector(FarmReader(store), time.time, version())).decode()
    assert {family.name for family in text_string_to_metric_families(beside)} == families.keys()


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": ""}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_foreign_page_changes_nothing(quiet: tuple[Site, LivingFarm], headers: dict[str, str]) -> None:
    """Another site's form, or a request that does not say from where it comes, is refused."""
    site, farm = quiet
    begin = farm.store.journal.newest()
    for path, form in (("/orders", {"action": "stop"}), ("/people", {"what": "add_token", "name": "x"})):
        assert site.ask("POST", path, form=form, headers=headers).status == 403
    assert farm.store.journal.newest() == begin


def test_an_order_is_given_once(quiet: tuple[Site, LivingFarm]) -> None:
    """The same key is the same order; a mistake is one sentence and changes nothing."""
    site, farm = quiet
    wish = {"action": "pause", "zone_id": "plot-1a", "hours": 2, "key": "k-1"}
    first, second = (site.ask("POST", "/api/v1/orders", body=wish) for _ in range(2))
    assert (first.status, first.json) == (201, second.json)
    assert site.ask("GET", f"/api/v1/orders/{first.json['order_id']}").json["state"] == "waiting"
    begin = farm.store.journal.newest()
    for mistake, words in (
        ({"action": "open", "zone_id": "plot-9z", "minutes": 5}, "no zone 'plot-9z'"),
        ({"action": "open", "zone_id": "plot-1a", "minutes": 5000}, "may run 30 min at most"),
        ({"action": "open", "zone_id": "plot-1a", "minutes": -1}, "more than 0"),
        ({"action": "fly"}, "is no order"),
        ({"action": "pause", "until": "tomorrow"}, "is no time"),
    ):
        answer = site.ask("POST", "/api/v1/orders", body=mistake)
        assert answer.status in {409, 422}
        assert words in answer.json["error"]
    assert farm.store.journal.newest() == begin


def test_what_is_not_there_is_said(quiet: tuple[Site, LivingFarm]) -> None:
    """On a page in words, to a program as `error`."""
    site, _ = quiet
    assert site.ask("GET", "/api/v1/zones/none").status == 404
    page = site.page("/zones/none", **{"Accept-Language": "pt"})
    assert (page.status, "Esta fazenda não tem o talhão" in page.text) == (404, True)
    assert site.page("/gateways/none").status == 404


def test_what_comes_is_by_the_plan(tmp_path: Path) -> None:
    """Pages and API say the plan's next run, who holds a zone, and that one only advises; in both languages."""
    path = tmp_path / "compute.sqlite"
    with living_farm(path, hours=1, changes={"plot-1e": {"mode": "advice"}}) as farm, console_on(tmp_path) as site:
        farm.order("pause", "plot-1b", until=farm.bench.now + 6 * 86_400, why="harvest")
        farm.bench.tick()
        farm.beat()
        planner = Planner(farm.store, farm.bench.now)
        zones = {zone["zone_id"]: zone for zone in site.ask("GET", "/api/v1/zones").json}
        wanted = {zone.zone_id: planner.next_run_at(zone) for zone in farm.bench.zones}
        assert {name: zone["next_water_at"] for name, zone in zones.items()} == wanted
        assert wanted["plot-1a"]
        assert (wanted["plot-1b"], wanted["plot-1e"]) == (None, None)
        assert "ana paused it at" in zones["plot-1b"]["notes"][0]
        assert zones["plot-1e"]["notes"] == ["advice only: nothing opens unless a person orders it"]
        rows = site.ask("GET", "/api/v1/plan").json
        assert {row["zone_id"] for row in rows if row["is_advice"]} == {"plot-1e"}
        for code, advice, would_run, held in (
            ("en", "advice only: nothing opens unless a person orders it", "it would run: ", "no run before "),
            ("pt-BR", "só conselhos: nada abre sem a ordem de alguém", "irrigaria: ", "nenhuma irrigação antes de "),
        ):
            pages = {
                name: site.page(name, **{"Accept-Language": code}).text for name in ("/zones/plot-1e", "/timeline")
            }
            assert all(advice in page and would_run in page for page in pages.values()), code
            assert held in pages["/timeline"]
            assert 'class="advised"' in pages["/timeline"]
            assert held in site.page("/zones/plot-1b", **{"Accept-Language": code}).text
            farm_page = site.page("/", **{"Accept-Language": code}).text
            assert ("advised: " if code == "en" else "aconselhada: ") in farm_page


def test_history_has_at_most_so_many_points(quiet: tuple[Site, LivingFarm]) -> None:
    """And no litre is lost."""
    site, _ = quiet
    whole = site.ask("GET", "/api/v1/zones/plot-1a/history").json
    few = site.ask("GET", "/api/v1/zones/plot-1a/history?points=2").json
    assert len(whole["at"]) > 2
    assert len(few["at"]) == 2
    assert few["at"][-1] == whole["at"][-1]
    assert sum(few["litres"]) == pytest.approx(sum(whole["litres"]))


def test_water_is_taken_away(quiet: tuple[Site, LivingFarm]) -> None:
    """What the page shows, as CSV and as Parquet, for days that can be: of one zone or all, a day or the season."""
    site, farm = quiet
    farm.run(farm.dry_out("plot-1b")[0])
    rows = site.ask("GET", "/water.csv").text.splitlines()
    assert rows[0] == "day,zone_id,litres,mm,calendar_litres,cost,currency"
    table = polars.read_parquet(io.BytesIO(site.ask("GET", "/water.parquet").body))
    assert len(table) == len(rows) - 1 > 0
    one = site.ask("GET", "/water.csv?zone=plot-1b&span=day").text.splitlines()[1:]
    [(zone_id, litres)] = [(row.split(",")[1], float(row.split(",")[2])) for row in one]
    assert (zone_id, litres > 0) == ("plot-1b", True)
    season = site.ask("GET", "/water.csv?zone=plot-1b&span=season").text.splitlines()[1:]
    sown = next(zone.sown for zone in farm.bench.zones if zone.zone_id == "plot-1b")
    assert [season[0].split(",")[0], season[-1]] == [sown.isoformat(), one[0]]
    assert site.ask("GET", "/water?zone=plot-9").status == 404
    assert site.ask("GET", "/water.csv?begin=2025-06-02&end=2025-06-01").status == 422
    assert site.ask("GET", "/water.csv?begin=soon").json["error"].startswith("“soon” is no day")


def test_water_has_its_price(quiet: tuple[Site, LivingFarm]) -> None:
    """With a price of water and one of energy in the settings each litre has its cost, in the farm's currency, on the
    page in either language and in what is taken away; without one nothing is said to have cost nothing."""
    site, farm = quiet
    farm.run(farm.dry_out("plot-1d")[0])
    config = farm.bench.config
    assert "Cost" not in site.page("/water").text
    prices = replace(config, water_price_m3=1.5, energy_price_m3=0.5, currency="BRL")
    farm.store.updates.save_config(config_text(prices))
    try:
        rows = list(csv.DictReader(io.StringIO(site.ask("GET", "/water.csv?zone=plot-1d&span=day").text)))
        english, portuguese = (
            site.page("/water?zone=plot-1d&span=day", **{"Accept-Language": code}).text for code in ("en", "pt-BR")
        )
    finally:
        farm.store.updates.save_config(config_text(config))
    litres, cost = float(rows[0]["litres"]), float(rows[0]["cost"])
    assert litres > 0
    assert cost == pytest.approx(litres * 2 / 1000, abs=1e-4)
    assert rows[0]["currency"] == "BRL"
    assert f"it cost BRL\u00a0{cost:.2f}" in english
    assert f"custou BRL\u00a0{cost:.2f}".replace(".", ",") in portuguese


def test_nothing_a_program_sends_breaks_it(quiet: tuple[Site, LivingFarm]) -> None:
    """Whatever fits the document, and what does not: no answer is the server's own fault."""
    site, _ = quiet
    document: dict[str, Any] = json.loads(site.ask("GET", "/api/v1/openapi.json").body)
    assert {path for path in document["paths"] if not path.startswith("/api/v1")} == set()
    results: list[Any] = list(schemathesis.openapi.from_dict(document).get_all_operations())
    operations = [result.ok() for result in results]
    assert len(operations) > 15

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategies.one_of(*[operation.as_strategy() for operation in operations]))
    def send(case: Any) -> None:
        response = case.call(base_url=site.address, headers={"Origin": site.address})
        assert response.status_code < 500 or response.status_code == 503, response.text
        assert str(response.status_code) in case.operation.definition.raw["responses"], case.operation.label

    send()
