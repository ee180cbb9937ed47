"""The outbox: each event once, together, not in the night, in the language of whoever reads, and never lost."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from notices.errors import OutboxError, SendError, UnknownEventError
from notices.outbox import GIVE_UP_S, RETRIES_S, Channel, Outbox
from notices.quiet import Quiet
from notices.table import EventRow, Template, table

NOON = int(datetime(2026, 6, 15, 12, tzinfo=UTC).timestamp())
HOUR_S = 3600
WORDS = {
    "en": Template("Look at this", "{place} is {what}"),
    "pt": Template("Verifique", "{place} está {what}"),
}
TABLE = table(
    EventRow(name="broken", level=1, templates=WORDS),
    EventRow(name="on fire", level=0, templates=WORDS, loud=True),
    EventRow(name="dusty", level=2, templates={"en": Template("Note", "{place}")}),
)


class Phone:
    """A channel's other end; it can be out of order."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.is_down = False

    def send(self, title: str, text: str) -> None:
        if self.is_down:
            raise SendError("no signal")
        self.messages.append((title, text))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notices.sqlite"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with closing(Outbox(path, TABLE)) as outbox:
        yield outbox


@pytest.fixture
def phone() -> Phone:
    return Phone()


def channel(phone: Phone, name: str = "phone", **options: object) -> Channel:
    return Channel(name=name, send=phone.send, **{"group_s": 0, **options})  # type: ignore[arg-type]


def tell(  # noqa: PLR0917
    outbox: Outbox, channels: list[Channel], key: str, event: str = "broken", place: str = "pump", at: int = NOON
) -> bool:
    return outbox.tell(event, key, place, at, {"what": {"en": "broken", "pt": "quebrada"}}, channels)


def test_an_event_is_told_once(outbox: Outbox, phone: Phone) -> None:
    """However often it is handed in under its key, and however often the outbox is asked to deliver."""
    channels = [channel(phone)]
    assert [tell(outbox, channels, "k1") for _ in range(3)] == [True, False, False]
    for minute in range(5):
        outbox.deliver(channels, NOON + 60 * minute)
    assert phone.messages == [("Look at this", "Look at this\n- pump is broken")]
    assert [notice.state for notice in outbox.last()] == ["sent"]


class PickyPhone(Phone):
    """It refuses what speaks of the pump, whatever else stands in that message."""

    def send(self, title: str, text: str) -> None:
        if "pump" in text:
            raise SendError("400 Bad Request")
        super().send(title, text)


def test_a_notice_that_is_never_taken_holds_up_no_other(outbox: Outbox) -> None:
    """What a receiver refuses for what it says goes alone; those beside it and behind it arrive at once."""
    phone = PickyPhone()
    channels = [channel(phone)]
    for key, place in (("k1", "valve"), ("k2", "pump"), ("k3", "probe")):
        tell(outbox, channels, key, place=place)
    for tries in range(3):  # which of them it is shows at the first, the second or the third
        outbox.deliver(channels, NOON + sum(RETRIES_S[:tries]))
    assert sorted(text.split("- ")[1].split()[0] for _, text in phone.messages) == ["probe", "valve"]
    tell(outbox, channels, "k4", "on fire", "shed", at=NOON + 2 * HOUR_S)
    outbox.deliver(channels, NOON + 2 * HOUR_S)
    assert "shed" in phone.messages[-1][1]
    outbox.deliver(channels, NOON + GIVE_UP_S + HOUR_S)
    assert {notice.key: notice.state for notice in outbox.last()} == {
        "k1": "sent",
        "k2": "failed",
        "k3": "sent",
        "k4": "sent",
    }
    assert outbox.last()[1].problem == "400 Bad Request"


def test_words_that_lack_a_value_hold_up_no_other(outbox: Outbox, phone: Phone) -> None:
    """An event from before its words were changed is told with what there is; it stops neither others nor a channel."""
    other = Phone()
    channels = [channel(phone), channel(other, "other")]
    outbox.tell("broken", "k1", "pump", NOON, {"unknown": 1}, channels)
    tell(outbox, channels, "k2", place="valve")
    outbox.deliver(channels, NOON)
    for one in (phone, other):
        [(_, text)] = one.messages
        assert "- pump" in text
        assert "- valve is broken" in text


def test_each_channel_has_its_language_and_its_level(outbox: Outbox) -> None:
    """The agronomist reads Portuguese; the owner wants to hear of fires only; a missing language falls to the first."""
    phones = Phone(), Phone()
    channels = [
        channel(phones[0], "agronomist", language="pt"),
        channel(phones[1], "owner", most_level=0),
    ]
    tell(outbox, channels, "k1")
    tell(outbox, channels, "k2", "on fire", "shed")
    tell(outbox, channels, "k3", "dusty", "attic")
    outbox.deliver(channels, NOON)
    [(title, text)] = phones[0].messages
    assert title == "Verifique (+2)"
    assert text == "Verifique\n- shed está quebrada\n- pump está quebrada\n\nNote\n- attic"
    assert phones[1].messages == [("Look at this", "Look at this\n- shed is broken")]


def test_what_comes_together_is_told_together(outbox: Outbox, phone: Phone) -> None:
    """Three faults within two minutes are one message; a loud one does not wait for company."""
    channels = [channel(phone, group_s=120)]
    for number, place in enumerate(("pump", "valve", "probe")):
        tell(outbox, channels, f"k{number}", place=place, at=NOON + number)
    assert (outbox.deliver(channels, NOON + 60), outbox.next_due()) == ((0, 0), NOON + 120)
    tell(outbox, channels, "fire", "on fire", "shed", NOON + 61)
    assert outbox.deliver(channels, NOON + 61).messages == 1
    assert outbox.deliver(channels, NOON + 130).messages == 1
    assert [title for title, _ in phone.messages] == ["Look at this", "Look at this (+2)"]


@pytest.mark.parametrize(
    ("local", "until"),
    [
        ("21:59", "21:59"),
        ("22:00", "06:00"),
        ("03:30", "06:00"),
        ("05:59", "06:00"),
        ("06:00", "06:00"),
        ("12:00", "12:00"),
    ],
)
def test_people_sleep(outbox: Outbox, phone: Phone, local: str, until: str) -> None:
    """From ten to six on their own clock nothing comes but what is loud; in the morning all of it does."""
    hour, minute = map(int, local.split(":"))
    at = int(datetime(2026, 6, 15, hour + 3, minute, tzinfo=UTC).timestamp()) if hour < 21 else None
    if at is None:
        at = int(datetime(2026, 6, 16, hour - 21, minute, tzinfo=UTC).timestamp())
    channels = [channel(phone, quiet=Quiet(22 * 60, 6 * 60, "America/Sao_Paulo"))]
    tell(outbox, channels, "k1", at=at)
    due_at = outbox.next_due()
    assert due_at is not None
    assert datetime.fromtimestamp(due_at - 3 * HOUR_S, UTC).strftime("%H:%M") == until
    assert 0 <= due_at - at <= 8 * HOUR_S
    tell(outbox, channels, "k2", "on fire", at=at)
    assert outbox.next_due() == at


def test_what_comes_and_goes_is_told_of_now_and_then(outbox: Outbox, phone: Phone) -> None:
    """Ten times in an hour are two messages, the second says how many it stands for, and none is lost."""
    channels = [channel(phone)]
    for number in range(10):
        tell(outbox, channels, f"k{number}", at=NOON + 300 * number)
        outbox.deliver(channels, NOON + 300 * number)
    outbox.deliver(channels, NOON + HOUR_S)
    assert [text for _, text in phone.messages] == [
        "Look at this\n- pump is broken",
        "Look at this\n- pump is broken (+8)",
    ]
    tell(outbox, channels, "other place", place="valve", at=NOON + HOUR_S)
    outbox.deliver(channels, NOON + HOUR_S)
    assert len(phone.messages) == 3


def test_a_channel_that_is_down_is_tried_again(outbox: Outbox, phone: Phone) -> None:
    """Ever more seldom, and for days; another channel is not kept waiting."""
    other = Phone()
    channels = [channel(phone), channel(other, "mail")]
    phone.is_down = True
    tell(outbox, channels, "k1")
    now = NOON
    for wait_s in (*RETRIES_S, RETRIES_S[-1]):
        assert outbox.deliver(channels, now).failures == 1
        assert outbox.next_due() == now + wait_s
        now += wait_s
    assert len(other.messages) == 1
    phone.is_down = False
    assert outbox.deliver(channels, now).messages == 1
    assert len(phone.messages) == 1


def test_what_nobody_takes_for_days_is_kept_as_failed(outbox: Outbox, phone: Phone) -> None:
    """It is not told a week late, and the outbox says why."""
    phone.is_down = True
    channels = [channel(phone)]
    tell(outbox, channels, "k1")
    outbox.deliver(channels, NOON)
    outbox.deliver(channels, NOON + GIVE_UP_S)
    [notice] = outbox.last()
    assert (notice.state, notice.problem) == ("failed", "no signal")
    assert outbox.next_due() is None


def test_killed_between_sending_and_noting_it_is_told_twice_at_most(path: Path) -> None:
    """A process that dies in the gap has told; the next one tells again: better twice than not at all."""
    program = (
        "import os, sys\n"
        "from tests.notices.test_outbox import *\n"
        "def send(title, text):\n"
        "    open(sys.argv[2], 'a').write('message\\n')\n"
        "    if sys.argv[3] == 'die': os._exit(9)\n"
        "box = Outbox(sys.argv[1], TABLE)\n"
        "channels = [Channel(name='file', send=send, group_s=0)]\n"
        "tell(box, channels, 'k1')\n"
        "box.deliver(channels, NOON)\n"
    )
    told = path.with_suffix(".txt")
    for what, code in (("die", 9), ("live", 0), ("live", 0)):
        words = [sys.executable, "-c", program, str(path), str(told), what]
        assert subprocess.run(words, cwd=Path(__file__).parents[2], check=False).returncode == code
    assert told.read_text() == "message\n" * 2


def test_killed_before_sending_nothing_is_lost(path: Path, phone: Phone) -> None:
    """What was told is on the disk: another process, or the same one tomorrow, delivers it."""
    with closing(Outbox(path, TABLE)) as outbox:
        tell(outbox, [channel(phone)], "k1")
        outbox.move_cursor("journal", 7)
    with closing(Outbox(path, TABLE)) as outbox:
        assert outbox.deliver([channel(phone)], NOON).messages == 1
        assert (outbox.cursor("journal"), outbox.cursor("other")) == (7, 0)


def test_what_is_told_and_how_far_was_read_hold_together(outbox: Outbox, phone: Phone) -> None:
    """If one fails, the other did not happen: nothing is told twice, and nothing left out."""
    with pytest.raises(KeyboardInterrupt), outbox.transaction():
        tell(outbox, [channel(phone)], "k1")
        outbox.move_cursor("journal", 7)
        raise KeyboardInterrupt
    assert (outbox.cursor("journal"), outbox.last()) == (0, [])


def test_an_event_that_the_table_lacks_is_refused(outbox: Outbox, phone: Phone) -> None:
    """A slip in the user's code is told to its author, and not by a silent farm; the names that are there help."""
    with pytest.raises(UnknownEventError, match="broken, on fire, dusty"):
        tell(outbox, [channel(phone)], "k1", "brokn")


def test_an_event_that_is_no_more_in_the_table_is_still_told(path: Path, phone: Phone) -> None:
    """After a release that renames it, what waited goes out under its bare name."""
    with closing(Outbox(path, TABLE)) as outbox:
        tell(outbox, [channel(phone)], "k1")
    with closing(Outbox(path, {})) as outbox:
        outbox.deliver([channel(phone)], NOON)
    assert phone.messages == [("broken", "broken\n- pump")]


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    """A path in a folder that is not there, or a file of something else: one sentence with the path."""
    with pytest.raises(OutboxError, match="nowhere"):
        Outbox(tmp_path / "nowhere" / "notices.sqlite", TABLE)
    (tmp_path / "text").write_text("this is no database, and long enough to be seen as none" * 9)
    with pytest.raises(OutboxError, match="text"):
        Outbox(tmp_path / "text", TABLE)


def test_the_outbox_stays_small(outbox: Outbox, phone: Phone, path: Path) -> None:
    """What is done for more than a year is forgotten."""
    channels = [channel(phone)]
    tell(outbox, channels, "k1")
    outbox.deliver(channels, NOON)
    outbox.deliver(channels, NOON + 900 * 86400)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM notices)").fetchone() == (0, 0)
