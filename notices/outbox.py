"""The outbox: what is to be told, kept in one SQLite file until a channel has taken it.

An event is told once, whoever repeats it: its key is kept. For each channel it becomes a notice, which waits for quiet
hours to end, for others that it is sent together with, and for a channel that is down. What a channel refuses for what
it says goes alone, and holds up no other. Between a channel's taking and the outbox's noting it there is a gap that
nothing can close: whoever is killed in it sends that message again. So at most a message comes twice, and none is lost.
Times are Unix seconds.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from notices.errors import OutboxError, SendError, UnknownEventError
from notices.quiet import NEVER, Quiet
from notices.table import EventRow, Table

RETRIES_S = (60, 300, 900, 3600)  # after each failure; the last again and again
GIVE_UP_S = 3 * 86400  # a message that no channel took by then is kept, and sent no more
KEPT_S = 400 * 86400
MOST_LINES = 20  # of one message

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    key TEXT PRIMARY KEY, event TEXT NOT NULL, place TEXT NOT NULL, at INTEGER NOT NULL, facts TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notices (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL, channel TEXT NOT NULL, due_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, more INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'waiting',
    done_at INTEGER,
    UNIQUE (key, channel)
);
CREATE INDEX IF NOT EXISTS notices_waiting ON notices (channel, due_at) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS places (  -- when each is told of, at the latest so far, and by which notice
    channel TEXT, event TEXT, place TEXT, at INTEGER NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (channel, event, place)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID
"""

Send = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A way to people: `send(title, text)` raises SendError if it was not taken. `most_level`: what is less urgent is
    not told here. `group_s`: so long one waits for others, to be told together.
    """

    name: str
    send: Send
    language: str = "en"
    most_level: int = 9
    group_s: int = 120
    quiet: Quiet = NEVER


@dataclass(frozen=True, kw_only=True)
class Notice:
    """An event for a channel, and what became of it: waiting, sent, failed, or left to one that waited already."""

    number: int
    key: str
    event: str
    place: str
    at: int
    values: Mapping[str, Any]
    channel: str
    due_at: int
    tries: int
    more: int
    state: str
    problem: str


class Delivery(NamedTuple):
    """How a round went: messages that were taken, and those that were not."""

    messages: int
    failures: int


class Outbox:
    """The file. One process delivers from it at a time: a second one waits."""

    def __init__(self, path: Path | str, table: Table) -> None:
        self._table = table
        try:
            self._file = sqlite3.connect(str(path), isolation_level=None, timeout=30)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise OutboxError(f"{path}: {error}; check the path, the disk and its free space") from error

    def close(self) -> None:
        """Close the file; nothing is lost."""
        self._file.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Nested, it joins the outer one."""
        if self._file.in_transaction:
            yield
            return
        try:
            self._file.execute("BEGIN IMMEDIATE")
            yield
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise OutboxError(f"the outbox: {error}; check its disk") from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._file.in_transaction:
            self._file.execute("ROLLBACK")

    def tell(  # noqa: PLR0913, PLR0917  # an event, and to whom
        self,
        event: str,
        key: str,
        place: str,
        at: int,
        values: Mapping[str, Any],
        channels: Iterable[Channel],
    ) -> bool:
        """Something happened; False if it was told before, under its key. Raises UnknownEventError."""
        row = self._table.get(event)
        if row is None:
            raise UnknownEventError(f"the table has no event {event!r}; it has {', '.join(self._table)}")
        with self.transaction():
            text = json.dumps(dict(values))
            is_new = self._file.execute(
                "INSERT OR IGNORE INTO events (key, event, place, at, facts) VALUES (?, ?, ?, ?, ?)",
                (key, event, place, at, text),
            ).rowcount
            if is_new:
                for channel in channels:
                    if row.level <= channel.most_level:
                        self._add(row, key, place, at, channel)
        return bool(is_new)

    def _add(self, row: EventRow, key: str, place: str, at: int, channel: Channel) -> None:
        where = (channel.name, row.name, place)
        last = self._file.execute("SELECT at, number FROM places WHERE channel = ? AND event = ? AND place = ?", where)
        last_at, number = last.fetchone() or (None, None)
        due_at = at if row.loud else channel.quiet.after(at + channel.group_s)
        if last_at is not None and at - last_at < row.repeat_s:
            if self._file.execute(
                "UPDATE notices SET more = more + 1 WHERE number = ? AND state = 'waiting'", (number,)
            ).rowcount:
                self._insert(key, channel.name, at, "left")  # the one that waits tells of it
                return
            due_at = max(due_at, last_at + row.repeat_s)
        number = self._insert(key, channel.name, due_at, "waiting")
        self._file.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?)", (*where, max(at, due_at), number))

    def _insert(self, key: str, channel: str, due_at: int, state: str) -> int | None:
        statement = "INSERT INTO notices (key, channel, due_at, state) VALUES (?, ?, ?, ?)"
        return self._file.execute(statement, (key, channel, due_at, state)).lastrowid

    def cursor(self, name: str) -> int:
        """How far its user has read what it tells of; 0 at first."""
        row = self._file.execute("SELECT value FROM cursors WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def move_cursor(self, name: str, value: int) -> None:
        """So far it has been read; in the transaction of what was told, nothing is told twice or left out."""
        with self.transaction():
            self._file.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (name, value))

    def deliver(self, channels: Iterable[Channel], now: int) -> Delivery:
        """Send what is due, all that is due on a channel in one message; what is not taken is tried again later."""
        messages = failures = 0
        for channel in channels:
            batch = self._due(channel.name, now)
            if not batch:
                continue
            problem = self._send(channel, batch, now)
            if problem is None:
                messages += 1
                continue
            failures += 1
            self._put_off(batch, now, problem)
            if len(batch) > 1:
                messages += self._send_apart(channel, batch, now)
        with self.transaction():
            self._file.execute("DELETE FROM notices WHERE done_at < ?", (now - KEPT_S,))
            self._file.execute("DELETE FROM events WHERE at < ?", (now - 2 * KEPT_S,))
        return Delivery(messages, failures)

    def _send(self, channel: Channel, batch: list[Notice], now: int) -> str | None:
        """All of them in one message; returns why it was not taken, None if it was."""
        try:
            channel.send(*self._message(batch, channel.language))
        except SendError as error:
            return str(error)
        self._mark([notice.number for notice in batch], "sent", now)
        return None

    def _send_apart(self, channel: Channel, batch: list[Notice], now: int) -> int:
        """Is there one that the channel does not take, or is it down? One is tried alone, each time another."""
        place = max(notice.tries for notice in batch) % len(batch)
        if self._send(channel, [batch[place]], now) is not None:
            return 0
        others = batch[:place] + batch[place + 1 :]
        return 1 + sum(self._send(channel, [notice], now) is None for notice in others)

    def next_due(self) -> int | None:
        """When something is to be sent next; None while nothing waits."""
        row = self._file.execute("SELECT min(due_at) FROM notices WHERE state = 'waiting'").fetchone()
        return None if row[0] is None else int(row[0])

    def last(self, count: int = 20) -> list[Notice]:
        """The last notices, the oldest first."""
        return self._notices("ORDER BY number DESC LIMIT ?", count)[::-1]

    def _due(self, channel: str, now: int) -> list[Notice]:
        """What is due, and with it what only waits for company."""
        due = self._notices("WHERE state = 'waiting' AND channel = ? AND due_at <= ? ORDER BY number", channel, now)
        return due[:MOST_LINES]

    def _notices(self, rest: str, *values: object) -> list[Notice]:
        rows = self._file.execute(
            "SELECT number, key, event, place, at, facts, channel, due_at, tries, more, state, problem"  # noqa: S608 - our own words
            f" FROM notices JOIN events USING (key) {rest}",
            values,
        ).fetchall()
        return [_notice(row) for row in rows]

    def _message(self, batch: list[Notice], language: str) -> tuple[str, str]:
        """One message of all: the most urgent gives the title, and equal titles stand once over their lines."""
        lines = [(self._row(notice).level, notice.number, *self._words(notice, language)) for notice in batch]
        lines.sort(key=lambda line: line[:2])
        parts = []
        for title, group in groupby(lines, key=lambda line: line[2]):
            parts.append("\n".join([title, *(f"- {text}" for _, _, _, text in group)]))
        count = f" (+{len(lines) - 1})" if len(lines) > 1 else ""
        return lines[0][2] + count, "\n\n".join(parts)

    def _row(self, notice: Notice) -> EventRow:
        row = self._table.get(notice.event)
        return row or EventRow(name=notice.event, level=9, templates={})

    def _words(self, notice: Notice, language: str) -> tuple[str, str]:
        templates = self._row(notice).templates
        template = templates.get(language) or next(iter(templates.values()), None)
        if template is None:
            return notice.event, notice.place
        values = {"place": notice.place, **notice.values}
        values |= {name: text[language] for name, text in notice.values.items() if _is_told_in(text, language)}
        more = f" (+{notice.more})" if notice.more else ""
        try:
            return template.title.format(**values), template.text.format(**values) + more
        except (LookupError, ValueError, AttributeError, TypeError):  # these words are not of this event's time
            return notice.event, notice.place + more

    def _mark(self, numbers: list[int], state: str, now: int, problem: str = "") -> None:
        with self.transaction():
            self._file.executemany(
                "UPDATE notices SET state = ?, done_at = ?, problem = ? WHERE number = ?",
                [(state, now, problem, number) for number in numbers],
            )

    def _put_off(self, batch: list[Notice], now: int, problem: str) -> None:
        hopeless = [notice.number for notice in batch if now - notice.at >= GIVE_UP_S]
        self._mark(hopeless, "failed", now, problem)
        with self.transaction():
            for notice in batch:
                if notice.number not in hopeless:
                    wait_s = RETRIES_S[min(notice.tries, len(RETRIES_S) - 1)]
                    self._file.execute(
                        "UPDATE notices SET tries = tries + 1, due_at = ?, problem = ? WHERE number = ?",
                        (now + wait_s, problem, notice.number),
                    )


def _notice(row: tuple[Any, ...]) -> Notice:
    number, key, event, place, at, facts, channel, due_at, tries, more, state, problem = row
    return Notice(
        number=number,
        key=key,
        event=event,
        place=place,
        at=at,
        values=json.loads(facts),
        channel=channel,
        due_at=due_at,
        tries=tries,
        more=more,
        state=state,
        problem=problem,
    )


def _is_told_in(value: object, language: str) -> bool:
    """A value may come in several languages, by their codes."""
    return isinstance(value, dict) and language in value
