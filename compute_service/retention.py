"""What the store forgets, and when, so that it does not grow without end. Once a day is enough."""

from dataclasses import dataclass

from agronomy.units import DAY_S, HOUR_S
from compute_service.domain.ports import Store
from compute_service.journal import KINDS

DECISION_NOTES_S = 2 * DAY_S  # in the journal, that there was a decision; the book of decisions has it whole
THINNED_AGAIN_S = 32 * DAY_S  # so long a service may have been away, and what became old meanwhile is still thinned


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how many days what is kept. `history` has every decision's row for `history_whole_days`, then one an hour.

    Settled runs, their water and counters stay for ever: they are what sums are made of.
    """

    journal_days: int = 400
    orders_days: int = 400
    decisions_days: int = 800
    history_whole_days: int = 200
    history_days: int = 800


RETENTION = Retention()


def shorten(store: Store, retention: Retention, now: int) -> None:
    """Forget what is too old to be asked for, at `now` (Unix s)."""
    with store.transaction():
        store.journal.forget(("decision",), now - DECISION_NOTES_S)
        store.journal.forget(KINDS, now - retention.journal_days * DAY_S)
        store.orders.forget(now - retention.orders_days * DAY_S)
        store.decisions.forget(now - retention.decisions_days * DAY_S)
        end = (now - retention.history_whole_days * DAY_S) // HOUR_S * HOUR_S
        store.journal.shorten_moments(now - retention.history_days * DAY_S, end - THINNED_AGAIN_S, end)
