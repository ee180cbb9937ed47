"""From the service's journal into the outbox: each alarm's beginning and end, once, and that the service stands still.

How far the journal is read is kept in the outbox, in the transaction of what is told: a kill between two rounds neither
leaves an alarm out nor tells it twice. The store is only read.
"""

from collections.abc import Sequence

from compute_service import alarms
from compute_service.alarm_notices.table import OVER, TABLE, values
from compute_service.domain.alarm_kinds import service_still
from compute_service.domain.alarms import Alarm
from compute_service.domain.ports import Beat, JournalRow, Store
from compute_service.domain.zone import Config
from notices.outbox import Channel, Outbox

JOURNAL, STILL = "journal", "still"  # the cursors: one more than the last number read, and since when
STILL_S = 120  # of the world's seconds without a beat: a restart is no news
MOST_ROWS = 1000  # of the journal at once


def feed(  # noqa: PLR0913, PLR0917  # from where, to whom, when
    store: Store, farm: Config, outbox: Outbox, channels: Sequence[Channel], now: int, wall_s: float
) -> int:
    """Tell what is new, `now` in the outbox's time (Unix s); gives how much that was."""
    cursor = outbox.cursor(JOURNAL)
    if cursor == 0:
        return _begin(store, farm, outbox, channels, now)
    count = 0
    rows = store.journal.after(cursor - 1, MOST_ROWS)
    if rows:
        with outbox.transaction():
            count = sum(_tell(row, farm, outbox, channels, now) for row in rows)
            outbox.move_cursor(JOURNAL, rows[-1]["seq"] + 1)
    return count + _watch(store.journal.last_beat(), farm, outbox, channels, now, wall_s)


def _begin(store: Store, farm: Config, outbox: Outbox, channels: Sequence[Channel], now: int) -> int:
    """At first what stands is told, and not what was."""
    with outbox.transaction():
        newest = store.journal.newest()
        rows = store.alarms.open()
        for row in rows:
            _tell_alarm(row.alarm, "opened", farm, outbox, channels, now)
        outbox.move_cursor(JOURNAL, newest + 1)
    return len(rows)


def _tell(row: JournalRow, farm: Config, outbox: Outbox, channels: Sequence[Channel], now: int) -> bool:
    body = row["body"]
    if row["kind"] != "alarm" or body["state"] not in {"opened", "ended"}:
        return False
    alarm = alarms.noted(row)
    return _tell_alarm(alarm, body["state"], farm, outbox, channels, now)


def _tell_alarm(  # noqa: PLR0913, PLR0917  # an alarm, its state, and to whom
    alarm: Alarm, state: str, farm: Config, outbox: Outbox, channels: Sequence[Channel], now: int
) -> bool:
    event = alarm.kind if state == "opened" else alarm.kind + OVER
    if event not in TABLE:
        return False  # a kind of a newer service
    told_values = values(alarm, farm.farm, farm.timezone)
    return outbox.tell(event, f"{alarm.alarm_id}:{state}", alarm.place, now, told_values, channels)


def _watch(  # noqa: PLR0913, PLR0917  # as `feed`
    beat: Beat | None, farm: Config, outbox: Outbox, channels: Sequence[Channel], now: int, wall_s: float
) -> int:
    """The service cannot say that it stands still; and when it moves again, that is told too."""
    if beat is None:
        return 0
    still_since, is_still = outbox.cursor(STILL), wall_s - beat.wall_s > STILL_S
    if is_still == bool(still_since):
        return 0
    alarm = service_still(beat.at if is_still else still_since, now)
    with outbox.transaction():
        outbox.move_cursor(STILL, beat.at if is_still else 0)
        return _tell_alarm(alarm, "opened" if is_still else "ended", farm, outbox, channels, now)
