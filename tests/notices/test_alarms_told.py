"""From an alarm of the service to a person's phone, by a process of its own that may die at any moment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.alarm_notices.__main__ import main
from compute_service.alarm_notices.feed import feed
from compute_service.alarm_notices.table import OVER, TABLE
from compute_service.domain.alarm_kinds import KINDS, LANGUAGES
from compute_service.domain.ports import Beat
from notices.outbox import Outbox
from protocol import topics
from tests.compute_service.bench import GATEWAY, NOON, Bench, living, zone
from tests.notices.receivers import Received, http_receiver
from tests.notices.test_outbox import Phone, channel
from tests.waiting import LAST_RESORT_S, until_true

ROOT = Path(__file__).parents[2]


class Leaky(Bench):
    """A farm where water runs through a shut valve, again and again."""

    def leak(self, letter: str = "a") -> None:
        text = f"plot-1{letter}: 30 l in 900 s"
        report = {"gateway_id": GATEWAY, "boot_id": "b", "at": self.now, "code": "flow_while_shut", "text": text}
        self.hear(topics.errors(GATEWAY), {**report, "zone_id": f"plot-1{letter}", "volume_l": 30.0})
        self.tick(60)
        self.store.journal.beat(living(self.now))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "compute.sqlite"


@pytest.fixture
def farm(path: Path) -> Iterator[Leaky]:
    with closing(SqliteStore(path)) as store:
        farm = Leaky(store, (zone("a"), zone("b")))
        farm.service.start()
        farm.store.journal.beat(living(NOON))
        yield farm


def test_every_kind_of_alarm_has_its_two_events() -> None:
    """That it stands and that it is over, in each language; a further kind is told without a further line."""
    assert set(TABLE) == {name for kind in KINDS for name in (kind.name, kind.name + OVER)}
    assert all(set(row.templates) == set(LANGUAGES) for row in TABLE.values())


def test_an_alarm_is_told_with_its_end(farm: Leaky, tmp_path: Path) -> None:
    """What is wrong and what to do in the reader's language, at once where it is critical; and when it is over."""
    ana, bob = Phone(), Phone()
    channels = [channel(ana, "ana", language="pt"), channel(bob, "bob", language="en")]
    with closing(Outbox(tmp_path / "notices", TABLE)) as outbox:
        feed(farm.store, farm.config, outbox, channels, NOON, time.time())
        farm.leak()
        assert feed(farm.store, farm.config, outbox, channels, NOON, time.time()) == 1
        assert feed(farm.store, farm.config, outbox, channels, NOON, time.time()) == 0
        outbox.deliver(channels, NOON)
        for _ in range(9):
            farm.tick(3600)
            farm.hear_reading("a", vwc=0.28)
            farm.hear_reading("b", vwc=0.28)
        feed(farm.store, farm.config, outbox, channels, NOON + 9000, time.time())
        outbox.deliver(channels, NOON + 9200)
    [title, text], [_, last] = ana.messages
    assert title == "test farm: aja agora"
    assert "Corre água em plot-1a com a válvula fechada: 30 l no último aviso. Feche o registro geral" in text
    assert last.startswith("test farm: terminou\n- Terminou: Corre água em plot-1a")
    assert "Water flows at plot-1a while its valve is shut" in bob.messages[0][1]


def test_at_first_what_stands_is_told(farm: Leaky, tmp_path: Path) -> None:
    """Whoever sets notices up on a farm with a leak hears of the leak, and not of last year's alarms."""
    farm.leak()
    phone = Phone()
    with closing(Outbox(tmp_path / "notices", TABLE)) as outbox:
        assert feed(farm.store, farm.config, outbox, [channel(phone)], NOON, time.time()) == 1
        farm.leak("b")
        assert feed(farm.store, farm.config, outbox, [channel(phone)], NOON, time.time()) == 1


def test_a_service_that_stands_still_is_told(farm: Leaky, tmp_path: Path) -> None:
    """It cannot say so itself; once, and once more when it moves again. A restart of seconds is no news."""
    phone, wall_s = Phone(), time.time()
    farm.store.journal.beat(Beat(NOON, wall_s, 0.0))
    with closing(Outbox(tmp_path / "notices", TABLE)) as outbox:
        feed(farm.store, farm.config, outbox, [channel(phone)], NOON, wall_s)
        counts = [feed(farm.store, farm.config, outbox, [channel(phone)], NOON, wall_s + s) for s in (60, 200, 300)]
        farm.store.journal.beat(Beat(NOON + 9, wall_s + 400, 0.0))
        counts.append(feed(farm.store, farm.config, outbox, [channel(phone)], NOON, wall_s + 401))
        outbox.deliver([channel(phone)], NOON + 9000)
    assert counts == [0, 1, 0, 1]
    assert phone.messages[0][1].count("The service does not move") == 2


# the process

PROGRAM = (sys.executable, "-W", "ignore::DeprecationWarning", "-m", "compute_service.alarm_notices")


@contextmanager
def telling(tmp_path: Path, hook: Received) -> Iterator["subprocess.Popen[str]"]:
    (tmp_path / "notices.toml").write_text(
        f'[[channel]]\nname = "hook"\nkind = "apprise"\nurl = "json://127.0.0.1:{hook.port}/"\n'
    )
    files = ("--store", "compute.sqlite", "--settings", "notices.toml", "--outbox", "notices.sqlite", "--every", "0.05")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "firmware" / "lib")])}
    with subprocess.Popen(
        [*PROGRAM, *files], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert "telling by hook" in process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_killed_and_started_again_it_loses_no_alarm(farm: Leaky, tmp_path: Path) -> None:
    """Killed at once, and started again later: what came meanwhile is told, what was told at most once more, and water
    flows on all the while."""
    with http_receiver() as hook:
        with telling(tmp_path, hook) as process:
            farm.leak()
            until_true(lambda: len(hook) == 1, "the first alarm is told")
            process.send_signal(signal.SIGKILL)
            process.wait(LAST_RESORT_S)
        farm.leak("b")
        assert farm.water("a")["action"] == "open"
        with telling(tmp_path, hook) as process:
            until_true(lambda: any("plot-1b while" in one["message"] for one in hook), "the second alarm is told")
            process.send_signal(signal.SIGTERM)
            assert process.wait(LAST_RESORT_S) == 0
    texts = [message["message"] for message in hook]
    assert "plot-1a while" in texts[0]
    assert len(texts) <= 3  # killed between sending and marking, it tells the first once more
    assert sum("plot-1b while" in text for text in texts) == 1


def test_bad_settings_are_one_sentence(farm: Leaky, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is named, and a store without a farm too; nothing is told."""
    assert main(["--settings", str(tmp_path / "none.toml"), "--store", str(tmp_path / "compute.sqlite")]) == 2
    assert capsys.readouterr().err.startswith(f"alarm_notices: {tmp_path / 'none.toml'}: No such file")
