"""A season as a chart shows it: few moments that say what all of them say, by an index and not by reading them all."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import Moment
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.kept import A, B, moment

times = st.integers(0, 400)
kept = st.dictionaries(times, st.sampled_from([-1.5, 0.0, 0.0, 0.1, 12.0, 33.3]), max_size=40)


def thinned(moments: Sequence[Moment], most: int) -> list[Moment]:
    """By definition: the time from first to last in `most` parts of whole seconds, one after the other."""
    if len(moments) <= most:
        return list(moments)
    first, last = moments[0].at, moments[-1].at
    width_s = next(width for width in range(1, last - first + 2) if width * most > last - first)
    thin = []
    for number in range(most):
        part = [one for one in moments if 0 <= one.at - first - number * width_s < width_s]
        if part:
            thin.append(replace(part[-1], litres=round(sum(one.litres for one in part), 1)))
    return thin


@settings(max_examples=150, deadline=None)
@given(litres=kept, begin=times, end=times, most=st.integers(1, 30))
def test_few_moments_say_what_all_say(litres: dict[int, float], begin: int, end: int, most: int) -> None:
    """In both stores the points of a chart are those that reading everything would give, and no litre is lost."""
    stores: tuple[SqliteStore | InMemoryStore, ...] = (SqliteStore(":memory:"), InMemoryStore())
    for store in stores:
        with closing(store):
            for at, amount in litres.items():
                store.journal.add_moment(replace(moment(A.zone_id, at), litres=amount))
                store.journal.add_moment(replace(moment(B.zone_id, at + 1), litres=5.0))
            whole = store.journal.moments(A.zone_id, begin, end)
            few = store.journal.moments(A.zone_id, begin, end, most=most)
            assert few == thinned(whole, most)
            assert len(few) <= most
            assert abs(sum(one.litres for one in few) - sum(one.litres for one in whole)) < 0.05 * most + 1e-6
