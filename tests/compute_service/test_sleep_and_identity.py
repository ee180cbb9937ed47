"""Gateways that sleep are missed only once they should be awake; certificates are told of before they end."""

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agronomy.units import DAY_S, HOUR_S
from certs.authority import Authority
from compute_service.adapters import identity_files
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.alarm_kinds import words
from compute_service.domain.alarms import Identity
from compute_service.domain.gateway_status import MOST_SLEEP_S, WAKING_S, is_gone
from tests.compute_service.alarm_farm import Farm, begun, reborn
from tests.compute_service.bench import GATEWAY, NOON, zone

OTHER = "irrigation-gateway-2"


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with closing(SqliteStore(tmp_path / "store")) as store:
        yield begun(store, zones=(zone("a", max_reading_age_s=1800), zone("b")))


def asleep(farm: Farm, seconds: int, **fields: Any) -> int:
    """A gateway that has told everything says until when it sleeps."""
    farm.pass_time(1800)
    wakes_at = farm.now + seconds
    farm.hear_status(wakes_at=wakes_at, **fields)
    return wakes_at


def kinds_at(farm: Farm, at: int) -> list[str]:
    farm.tick(at - farm.now)
    return farm.kinds()


def test_nobody_misses_a_gateway_that_sleeps(farm: Farm) -> None:
    """Not its messages, nor the readings of its zones, until it should be awake for as long as others may be still."""
    wakes_at = asleep(farm, 12 * HOUR_S)
    assert kinds_at(farm, wakes_at) == []
    assert set(kinds_at(farm, wakes_at + 3 * HOUR_S)) == {"reading_stale"}
    assert "gateway_silent" in kinds_at(farm, wakes_at + 3 * HOUR_S + 61)


def test_a_will_wakes_nobody(farm: Farm) -> None:
    """The broker says that it is gone, as it should be: it is missed ten minutes after it should be back."""
    wakes_at = asleep(farm, 6 * HOUR_S)
    farm.hear_status(state="offline")
    assert kinds_at(farm, wakes_at + 600) == []
    assert "gateway_silent" in kinds_at(farm, wakes_at + 661)


def test_a_sleep_outlives_a_restart_of_the_service(farm: Farm) -> None:
    """What a gateway said of its sleep is kept."""
    wakes_at = asleep(farm, 12 * HOUR_S)
    again = reborn(farm)
    assert kinds_at(again, wakes_at + 1800) == []
    assert "gateway_silent" in kinds_at(again, wakes_at + 4 * HOUR_S)


def test_a_sleep_that_is_too_long_is_not_believed(farm: Farm) -> None:
    """A gateway with a wrong clock, or one that lies, is missed as if it had said nothing."""
    asleep(farm, MOST_SLEEP_S + 1)
    assert "gateway_silent" in kinds_at(farm, farm.now + 4 * HOUR_S)


def test_a_probe_is_not_silent_while_its_gateway_sleeps(farm: Farm) -> None:
    """Nor is it for the minutes in which it wakes."""
    gateway = farm.service._alarms._gateways[GATEWAY]
    facts = farm.service._alarms._zones["plot-1a"]
    farm.pass_time(1800)
    facts.verdicts = {"one": ("silent", ""), "two": ("healthy", "")}
    gateway.wakes_at = farm.now + 3 * HOUR_S
    assert kinds_at(farm, farm.now + 2 * HOUR_S) == []
    farm.tick(HOUR_S + 661)
    assert kinds_at(farm, farm.now + HOUR_S) == ["probe_silent", "reading_stale"]


def test_who_sleeps_is_not_gone() -> None:
    """Pages and bridges say offline of a gateway that is away, and not of one that sleeps."""
    row = {"state": "offline", "heard_at": NOON, "status": {"wakes_at": NOON + HOUR_S}}
    assert not is_gone(row, NOON + HOUR_S + WAKING_S)
    assert is_gone(row, NOON + HOUR_S + WAKING_S + 1)
    assert is_gone({**row, "status": {}}, NOON + WAKING_S + 1)
    assert is_gone({**row, "status": {"wakes_at": NOON + MOST_SLEEP_S + 1}}, NOON + WAKING_S + 1)
    assert not is_gone({**row, "state": "online"}, NOON + 9 * DAY_S)


# certificates


def test_an_identity_is_told_of_sixty_days_before(farm: Farm) -> None:
    """Not a minute before; in its last week it is critical, once; and it says whose, when, and what to do."""
    ends = NOON + 80 * DAY_S
    farm.hear_status(certificate_expires_at=ends)
    for at, kinds in ((ends - 60 * DAY_S - 60, []), (ends - 60 * DAY_S, ["identity_expires"])):
        assert [kind for kind in kinds_at(farm, at) if "identity" in kind] == kinds
    alarm = words(farm.of_kind("identity_expires"))
    assert alarm.wrong == f"The certificate of {GATEWAY} ends on 2025-09-03, and with it the connection"
    assert f"python -m certs renew {GATEWAY}" in alarm.to_do
    assert "docs/certs.md" in alarm.to_do
    assert [kind for kind in kinds_at(farm, ends - 7 * DAY_S) if "identity" in kind] == ["identity_ends"]
    assert farm.of_kind("identity_ends").gateway_id == GATEWAY
    assert "O certificado de" in words(farm.of_kind("identity_ends"), "pt").wrong


def test_boards_that_trust_one_authority_are_one_alarm(farm: Farm) -> None:
    """Its end is one thing to do, not one a board."""
    farm = begun(farm.store, zones=(zone("a"), zone("c", gateway_id=OTHER, sensor_id=f"{OTHER}.soil-c")))
    ends = NOON + 30 * DAY_S
    for name in (GATEWAY, OTHER):
        farm.hear(
            f"irrigation/gateway/{name}/status",
            {"gateway_id": name, "boot_id": "b", "state": "online", "at": farm.now, "ca_expires_at": ends},
        )
    farm.tick(60)
    assert farm.kinds() == ["identity_expires"]
    assert words(farm.of_kind("identity_expires")).wrong.startswith(
        f"The certificate authority (CA) of {GATEWAY} (+1) ends on 2025-07-15"
    )


def test_what_anybody_says_raises_no_alarm_of_an_identity(farm: Farm) -> None:
    """On the topic of older firmware everybody may speak for everybody."""
    message = {"gateway_id": GATEWAY, "boot_id": "b", "state": "online", "at": NOON, "certificate_expires_at": NOON}
    farm.hear("irrigation/gateway/status", message)
    farm.tick(60)
    assert farm.kinds() == []


def test_the_service_looks_at_its_own_once_a_day(farm: Farm) -> None:
    """When it starts, and daily: a file that is renewed ends the alarm."""
    own = [Identity(thing="irrigation-compute", is_ca=False, expires_at=NOON + 10 * DAY_S, file="c/certificate.pem")]
    farm.service._alarms._identities = lambda: own
    farm.tick(60)
    wrong = words(farm.of_kind("identity_expires")).wrong
    assert wrong.startswith("The certificate of irrigation-compute (c/certificate.pem) ends on 2025-06-25")
    own[:] = [Identity(thing="irrigation-compute", is_ca=False, expires_at=NOON + 400 * DAY_S, file="")]
    farm.pass_time(DAY_S)
    assert "identity_expires" not in farm.kinds()


def test_the_files_of_an_identity_tell_when_they_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The certificate and the CA; a file that cannot be read is told in the log, and ends nothing."""
    folder = Authority(tmp_path).issue("irrigation-compute")
    own, root = identity_files.read(folder)
    assert (own.thing, own.is_ca, root.is_ca) == ("irrigation-compute", False, True)
    assert own.expires_at <= root.expires_at
    (folder / "certificate.pem").write_text("nothing")
    with caplog.at_level(logging.WARNING):
        assert identity_files.read(folder) == (root,)
    assert "certificate.pem: cannot be read" in caplog.text
