"""The settings on the page: changed with their comments kept, looked at before, refused with a mistake, remembered."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from compute_service.adapters import zones_file
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.settings import SettingsWatch
from console import water, zones_form
from tests.console.living import ZONES_FILE, LivingFarm
from tests.console.site_of_test import Site
from tests.waiting import LAST_RESORT_S

expect.set_options(timeout=LAST_RESORT_S * 1000)


@pytest.fixture
def watch(folder: Path) -> Iterator[SettingsWatch]:
    """The service's eye on the file."""
    yield SettingsWatch(folder / "zones.yaml")


def test_a_form_changes_a_line_and_leaves_the_comments(tmp_path: Path) -> None:
    """One field, one line; what is not changed is byte for byte as it was, anchors and comments too."""
    assert zones_form.changed(ZONES_FILE, "plot-1a", zones_form.values(ZONES_FILE, "plot-1a")) == ZONES_FILE
    text = zones_form.changed(ZONES_FILE, "plot-1a", {"root_depth_m": "0,6"})
    assert text == ZONES_FILE.replace("root_depth_m: 0.5   # by hand", "root_depth_m: 0.6   # by hand")
    path = tmp_path / "zones.yaml"
    path.write_text(zones_form.changed(text, "plot-1b", {"limits.hours": "", "crop": "maize", "limits.frost_c": "3"}))
    zone = zones_file.load(path).zones[1]
    assert (zone.crop, zone.limits.hours, zone.limits.frost_c, zone.root_depth_m) == ("maize", (), 3, 0.6)


def test_settings_are_changed_on_the_page(page: Page, farm: LivingFarm, folder: Path, watch: SettingsWatch) -> None:
    """The difference first, then the file; the service goes by it without a restart, and the history says who."""
    page.goto("/settings/zones/plot-1b")
    page.get_by_label("Longest run, s").fill("1200")
    page.get_by_role("button", name="Look at the change").click()
    expect(page.locator("ins")).to_contain_text("max_run_s: 1200")
    assert (folder / "zones.yaml").read_text() == ZONES_FILE
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Changes")).to_be_visible()
    assert zones_file.load(folder / "zones.yaml").zones[1].max_run_s == 1200
    change = watch.change()
    assert change is not None
    assert watch.change() is None
    farm.bench.service.take_settings(change)
    page.reload()
    assert page.locator("details summary").count() == 1
    expect(page.locator("details summary")).to_contain_text("by local")
    page.goto("/zones/plot-1b")
    expect(page.get_by_text("At most 20 min in one go")).to_be_visible()


def test_a_mistake_is_told_and_nothing_is_changed(page: Page, farm: LivingFarm, folder: Path) -> None:
    """Line and remedy, before and at saving; no button to save it with."""
    page.goto("/settings/zones/plot-1a")
    page.get_by_label("Wilting point, m³/m³").fill("0.5")
    page.get_by_role("button", name="Look at the change").click()
    expect(page.get_by_role("alert")).to_contain_text("want wilting_point < field_capacity")
    assert page.get_by_role("button", name="Save").count() == 0
    assert (folder / "zones.yaml").read_text() == ZONES_FILE


def test_two_who_edit_at_once(site: Site, folder: Path) -> None:
    """Who comes second is told, and the first one's change stays."""
    digest = site.ask("GET", "/api/v1/settings").headers["ETag"]
    first, second = (ZONES_FILE.replace("test farm ", f"{name} farm ") for name in ("first", "second"))
    assert site.ask("PUT", "/api/v1/settings", body={"text": first}, headers={"If-Match": digest}).status == 200
    answer = site.ask("PUT", "/api/v1/settings", body={"text": second}, headers={"If-Match": digest})
    assert (answer.status, "changed meanwhile" in answer.json["error"]) == (409, True)
    page = site.ask(
        "POST", "/settings", form={"text": second, "digest": digest.strip('"')}, headers={"Accept": "text/html"}
    )
    assert page.status == 409
    assert (folder / "zones.yaml").read_text() == first
    answer = site.ask("PUT", "/api/v1/settings", body={"text": "farm: 3"}, headers={"If-Match": "x"})
    assert answer.status == 409
    mistakes = site.ask("POST", "/api/v1/settings/check", body={"text": "farm: 3"}).json["mistakes"]
    assert any("zones is missing" in one for one in mistakes)


def test_the_service_keeps_the_old_settings_of_a_broken_file(
    farm: LivingFarm, folder: Path, watch: SettingsWatch
) -> None:
    """Edited by hand with a mistake: it tells, goes by the old ones, and takes the next good file."""
    (folder / "zones.yaml").write_text("zones: [", encoding="utf-8")
    change = watch.change()
    assert change is not None
    farm.bench.service.take_settings(change)
    with closing(SqliteStore.reader(folder / "compute.sqlite")) as store:
        [row] = store.journal.last(1, ("settings",))
    assert row["body"]["state"] == "refused"
    assert "not valid YAML" in row["body"]["mistakes"][0]
    farm.dry_out("plot-1e")
    (folder / "zones.yaml").write_text(ZONES_FILE.replace("test farm ", "our farm "), encoding="utf-8")
    change = watch.change()
    assert change is not None
    farm.bench.service.take_settings(change)
    assert "our farm" in (farm.store.updates.config() or "")


def test_a_cell_never_begins_a_formula() -> None:
    """A stranger's name in a spreadsheet stays a name; numbers stay numbers."""
    text = water.csv_text(("name", "n"), [("=1+1", -2.5), ("@cmd", 3), ("plot", None)]).decode()
    assert text.splitlines() == ["name,n", "'=1+1,-2.5", "'@cmd,3", "plot,"]
