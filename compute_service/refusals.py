"""What is not taken in: counted always, told of each kind once, and of one gateway no faster than a log can bear."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from compute_service.rate_limits import NOTES_BURST, NOTES_PER_S, RateLimits
from compute_service.untrusted_reports import one_line
from protocol import topics

if TYPE_CHECKING:
    from protocol.events import Event

MANY = 1000  # refusals to remember; beyond it the oldest is forgotten, and told again when it comes again

log = logging.getLogger(__name__)


class Refusals:
    """Whose message it was (a gateway or a sensor of one), what was refused, and why."""

    def __init__(self, count: Callable[[str], None], record: "Callable[[Event], None]") -> None:
        self._count, self._record = count, record
        self._memory: dict[tuple[str, str], None] = {}  # those that were told of, the latest last
        self._notes = RateLimits(NOTES_PER_S, NOTES_BURST)

    def tell(self, thing: str, what: str, why: str, now: int) -> None:
        """Count a refusal, and log and record it unless it is known, or one of far too many."""
        self._count("refusals")
        is_known = (thing, what) in self._memory
        self._memory.pop((thing, what), None)
        self._memory[thing, what] = None
        if len(self._memory) > MANY:
            del self._memory[next(iter(self._memory))]
        if is_known:
            return
        if not self._notes.take(topics.gateway_of(thing), now):
            self._count("reports_not_noted")
            return
        log.warning("refused %s of %s: %s", one_line(what), one_line(thing), one_line(why))
        self._record({"at": now, "kind": "refusal", "by": "compute", "thing": thing, "what": what, "why": why})
