"""The journal as a stream of server-sent events, in one language: what happened, and the rows that it changed."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from typing import Any

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import JournalRow
from compute_service.plans import PlanMemo
from console import news, rows
from console.farm_now import FarmNow, look
from views.language import Language
from web.events import Event

KINDS: Mapping[str, str] = {"command": "valve", "ack": "valve", "alarm": "alarm", "order": "order", "decision": "zones"}
OF_THE_PAGE = ("hold", "release", "settings")  # what changes more than a row


class JournalEvents:
    """A `web.events.Source` over the service's store; each question reads the store anew, and only new rows."""

    def __init__(
        self,
        open_store: Callable[[], SqliteStore],
        wall_clock: Callable[[], float],
        names: Callable[[], Mapping[str, str]],
        language: Language,
        plans: PlanMemo | None = None,
    ) -> None:
        self._open_store = open_store
        self._wall_clock = wall_clock
        self._names = names
        self._language = language
        self._plans: PlanMemo = {} if plans is None else plans

    def newest(self) -> int:
        """The number of the newest row."""
        with closing(self._open_store()) as store:
            return store.journal.newest()

    def after(self, seq: int, limit: int) -> Sequence[Event]:
        """The rows after a number as events; each carries its zone's cells as they are now."""
        with closing(self._open_store()) as store:
            journal_rows = store.journal.after(seq, limit)
            if not journal_rows:
                return []
            zone_ids = {row["zone_id"] for row in journal_rows if row["zone_id"]}
            is_of_all = any(row["kind"] in {*OF_THE_PAGE, "status"} or _is_of_a_gateway(row) for row in journal_rows)
            farm = look(store, self._wall_clock(), None if is_of_all else zone_ids, self._names(), self._plans)
            cells = {zone.zone.zone_id: rows.zone_cells(zone, farm, self._language) for zone in farm.zones}
        return [self._event(row, farm, cells) for row in journal_rows]

    def _event(self, row: JournalRow, farm: FarmNow, cells: Mapping[str, rows.Cells]) -> Event:
        is_of_all = row["kind"] in {*OF_THE_PAGE, "status"} or _is_of_a_gateway(row)
        zone_id = row["zone_id"] or ""
        data: dict[str, Any] = {"zones": cells if is_of_all else {zone_id: cells[zone_id]} if zone_id in cells else {}}
        if row["kind"] in (*news.KINDS, *OF_THE_PAGE):
            data["news"] = [self._story(row, farm)]
        return Event(row["seq"], KINDS.get(row["kind"], "news"), json.dumps(data))

    def _story(self, row: JournalRow, farm: FarmNow) -> dict[str, Any]:
        return {
            "seq": row["seq"],
            "kind": row["kind"],
            "zone_id": row["zone_id"],
            "time": rows.moment(row["at"], farm, self._language),
            "words": farm.named(news.words(row, self._language)) if row["kind"] in news.KINDS else "",
            "is_for_page": row["kind"] in OF_THE_PAGE,
            "order_id": row["body"].get("order_id"),
            "state": row["body"].get("state"),
        }


def _is_of_a_gateway(row: JournalRow) -> bool:
    """A command or an ack for every zone of a gateway."""
    return row["kind"] in {"command", "ack"} and row["zone_id"] is None


def is_urgent(event: Event) -> bool:
    """Decisions may wait for each other; a valve, an alarm, an order may not."""
    return event.kind != "zones"


def fold(events: Sequence[Event]) -> Sequence[Event]:
    """Decisions in a row become one message, with the last state of each zone."""
    messages: list[Event] = []
    for is_of_zones, run in groupby(events, lambda event: event.kind == "zones"):
        if not is_of_zones:
            messages += run
            continue
        zones: dict[str, Any] = {}
        seq = 0
        for event in run:
            seq = event.seq
            zones |= json.loads(event.data)["zones"]
        messages.append(Event(seq, "zones", json.dumps({"zones": zones})))
    return messages
