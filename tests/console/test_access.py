"""Who may change what: every route that changes something, tried by every role and by every stranger."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

import pytest

from console.rights import RIGHTS
from tests.console.conftest import console_on
from tests.console.living import ZONES_FILE, LivingFarm, living_farm
from tests.console.site_of_test import Site
from web.roles import Role

PASSWORD = "seven wet Mondays"
COOKIE = "pythoflow_console"
ALARM = "{alarm_id}"
NUMBERS = count(1)


class Place(NamedTuple):
    """A farm with people, a session of each role, and one of a manager who has logged out."""

    site: Site
    farm: LivingFarm
    sessions: dict[str, str]
    alarm_id: str

    def state(self) -> tuple[Any, ...]:
        """All that a request could change."""
        store, access = self.farm.store, self.site.access
        tokens = [(token.name, token.revoked_at) for token in access.tokens()]
        alarms = [(row.alarm.alarm_id, row.acknowledged_by) for row in store.alarms.open()]
        users = [(user.name, user.role) for user in access.users()]
        zones = (self.site.folder / "zones.yaml").read_text()
        return store.journal.newest(), store.orders.last(), store.orders.holds(), alarms, zones, users, tokens

    def cookie(self, who: str) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.sessions[who]}"}

    def digest(self) -> str:
        headers = self.site.ask("GET", "/api/v1/settings", headers=self.cookie("manage")).headers
        return str(headers["ETag"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """With an alarm that stands."""
    folder = tmp_path_factory.mktemp("access")
    (folder / "zones.yaml").write_text(ZONES_FILE, encoding="utf-8")
    with living_farm(folder / "compute.sqlite", hours=1) as farm, console_on(folder, wait_s=0) as site:
        farm.hear_status("irrigation-gateway-2", "offline")
        farm.bench.tick(15 * 60)
        farm.beat()
        sessions = {}
        for role in Role:
            site.access.add_user(f"person-{role}", PASSWORD, role)
            sessions[str(role)] = site.access.log_in(f"person-{role}", PASSWORD, "127.0.0.1").secret
        sessions["ended"] = site.access.log_in("person-manage", PASSWORD, "127.0.0.1").secret
        site.access.log_out(sessions["ended"])
        yield Place(site, farm, sessions, farm.store.alarms.open()[0].alarm.alarm_id)


def another_text() -> str:
    return ZONES_FILE.replace("test farm ", f"farm {next(NUMBERS)} ")


def pause(_place: Place) -> dict[str, str]:
    return {"action": "pause", "zone_id": "plot-1a", "until": f"2031-01-01 00:{next(NUMBERS) % 60:02}"}


# A request by which each route changes something, or would.
WISHES: dict[str, Callable[[Place], dict[str, Any]]] = {
    "POST /orders": lambda place: {"form": pause(place)},
    "POST /api/v1/orders": lambda place: {"body": pause(place)},
    "POST /alarms": lambda place: {"form": {"alarm_id": place.alarm_id}},
    "POST /api/v1/alarms/{alarm_id}/ack": lambda _: {"body": {}},
    "POST /settings": lambda place: {"form": {"text": another_text(), "digest": place.digest().strip('"')}},
    "PUT /api/v1/settings": lambda place: {"body": {"text": another_text()}, "headers": {"If-Match": place.digest()}},
    "POST /people": lambda _: {"form": {"what": "add_token", "name": f"machine-{next(NUMBERS)}", "role": "see"}},
}
CHANGE_NOTHING = {"POST /settings/check", "POST /api/v1/settings/check", "POST /logout", "POST /login"}
CHANGE_NOTHING |= {"POST /preferences"}  # a cookie of whoever asks


def needed(key: str) -> Role:
    needs = RIGHTS[key]
    assert needs
    return needs


def ask(place: Place, key: str, **headers: str) -> int:
    """Ask for a change; gives the status."""
    method, _, path = key.partition(" ")
    wish = WISHES[key](place)
    own: dict[str, str] = wish.pop("headers", {})
    return place.site.ask(method, path.replace(ALARM, place.alarm_id), headers={**own, **headers}, **wish).status


def test_every_route_that_changes_is_tried() -> None:
    """A route that is added without a line here fails the test."""
    assert {key for key in RIGHTS if not key.startswith("GET ")} == WISHES.keys() | CHANGE_NOTHING


@pytest.mark.parametrize("key", WISHES)
def test_who_may_not_changes_nothing(place: Place, key: str) -> None:
    """A role that is too small, another site's page, a stolen cookie without Origin, an ended session, and nobody."""
    before = place.state()
    strangers: list[tuple[int, dict[str, str]]] = [
        (403, {**place.cookie("manage"), "Origin": "http://evil.example"}),
        (403, {**place.cookie("manage"), "Origin": "null"}),
        (403, {**place.cookie("manage"), "Origin": ""}),
        (403, {**place.cookie("manage"), "Sec-Fetch-Site": "cross-site"}),
        (401, place.cookie("ended")),
        (401, {"Cookie": f"{COOKIE}=guess"}),
        (401, {}),
        *((403, place.cookie(role)) for role in Role if not role.may(needed(key))),
    ]
    for status, headers in strangers:
        assert ask(place, key, **headers) == status, (key, headers)
    assert place.state() == before


@pytest.mark.parametrize(("key", "role"), [(key, role) for key in WISHES for role in Role if role.may(needed(key))])
def test_who_may_can(place: Place, key: str, role: Role) -> None:
    """A person of our own page, and a machine with a token that sends no Origin; each changes what was asked for."""
    name = f"token-{next(NUMBERS)}"
    token = place.site.access.add_token(name, role)
    for headers in (place.cookie(role), {"Authorization": f"Bearer {token}", "Origin": ""}):
        before = place.state()
        assert ask(place, key, **headers) in {200, 201, 303}
        assert place.state() != before or "alarm" in key  # one that was seen is seen
    if "alarm" in key:
        row = next(row for row in place.farm.store.alarms.open() if row.alarm.alarm_id == place.alarm_id)
        assert row.acknowledged_by
