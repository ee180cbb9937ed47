"""Five fields of cron and AWS's six mean the same moments."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.job_files import cron

START = datetime(2027, 2, 27, 22, 30)
LEAST_MOST = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def numbers(text: str, least: int, most: int, names: tuple[str, ...], first: int) -> set[int]:
    """What a field stands for, read on its own terms: a second opinion."""
    found: set[int] = set()
    for part in text.upper().split(","):
        ends, _, step = part.partition("/")
        low, _, high = ends.partition("-")
        read = [names.index(word) + first if word in names else int(word) for word in (low, high or low) if word != "*"]
        span = range(least, most + 1) if not read else range(read[0], (most if step and not high else read[1]) + 1)
        found |= set(span[:: int(step or 1)])
    return found


def moments(
    minute: set[int], hour: set[int], day: set[int], month: set[int], weekday: set[int], *, start: datetime = START
) -> Iterator[datetime]:
    """From the start on, minute by minute of the days that match; `weekday` counts from Sunday, which is 0."""
    date = start.replace(hour=0, minute=0)
    while date < start + timedelta(days=50 * 366):
        if date.day in day and date.month in month and (date.weekday() + 1) % 7 in weekday:
            for one in sorted(hour):
                for other in sorted(minute):
                    if (at := date.replace(hour=one, minute=other)) > start:
                        yield at
        date += timedelta(days=1)


def of_cron(text: str, start: datetime = START) -> list[datetime]:
    return list(islice(CronSim(text, start), 10))


def of_aws(text: str) -> list[datetime]:
    return list(islice(by_aws(text), 10))


def by_aws(text: str, start: datetime = START) -> Iterator[datetime]:
    minute, hour, day, month, weekday, year = text.removeprefix("cron(").removesuffix(")").split()
    assert year == "*"
    assert [day, weekday].count("?") == 1
    everyday, everyweekday = day.replace("?", "*"), weekday.replace("?", "*")
    fields = [
        numbers(minute, 0, 59, (), 0),
        numbers(hour, 0, 23, (), 0),
        numbers(everyday, 1, 31, (), 1),
        numbers(month, 1, 12, MONTHS, 1),
        {number - 1 for number in numbers(everyweekday, 1, 7, DAYS, 1)},
    ]
    return moments(*fields, start=start)


def field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    pair = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    part = number.map(str) | pair
    stepped = st.tuples(st.just("*") | pair, st.integers(1, most)).map(lambda row: f"{row[0]}/{row[1]}")
    return st.just("*") | st.lists(part | stepped, min_size=1, max_size=3).map(",".join)


TEXTS = st.tuples(*(field(least, most) for least, most in LEAST_MOST)).map(" ".join)


# Zones with a summer time, one of them of half an hour, one that begins it at midnight; and three without.
ZONES = (
    *("America/Toronto", "Europe/Lisbon", "Australia/Lord_Howe", "Africa/Cairo"),
    *("America/Sao_Paulo", "Asia/Kathmandu", "Etc/GMT+5"),
)
CHANGES = tuple(
    datetime(2027, month, day) for month, day in ((3, 14), (3, 28), (4, 4), (4, 30), (10, 3), (10, 31), (11, 7))
)
STARTS = st.tuples(st.sampled_from(CHANGES), st.integers(-3 * 1440, 1440)).map(
    lambda row: row[0] + timedelta(minutes=row[1])
)


def is_plain(at: datetime) -> bool:
    """Whether its day has no change of the clock, on which cron and the clouds differ by design."""
    midnights = [datetime.combine(at.date() + timedelta(days=day), time(), at.tzinfo) for day in (0, 1)]
    return midnights[0].utcoffset() == midnights[1].utcoffset()


def cronsim_has_the_same_ten_next_moments(text: str, start: datetime, zone: str) -> None:
    """By the clock on the wall; and of a zone, on all days but those on which its clock is changed."""
    text = re.sub(r"\b(\d+)-\1/\d+", r"\1", text)  # which cronsim alone takes for `N-last/step`
    try:
        by_cronsim = of_cron(text, start)
    except CronSimError:
        by_cronsim = []  # no such moment
    if cron.schedule(text) is not None:
        return
    aws = cron.for_aws(text)
    assert list(islice(by_aws(aws, start), 10)) == by_cronsim != []
    place = ZoneInfo(zone)
    here = start.replace(tzinfo=place).astimezone(UTC).astimezone(place)  # a time that there is
    in_zone = (at.replace(tzinfo=place) for at in by_aws(aws, here.replace(tzinfo=None)))
    both = [islice(filter(is_plain, times), 10) for times in (in_zone, CronSim(text, here))]
    assert [at.astimezone(UTC) for at in both[0]] == [at.astimezone(UTC) for at in both[1]]


@pytest.mark.timeout(3600)  # twenty thousand examples on a busy machine
@pytest.mark.parametrize("examples", [150, pytest.param(20_000, marks=pytest.mark.soak)])
def test_cronsim_is_of_the_same_mind(examples: int) -> None:
    """AWS's form, read on its own terms, and five fields as another program reads them, over changes of the clock."""
    check: Callable[..., None] = given(TEXTS, STARTS, st.sampled_from(ZONES))(cronsim_has_the_same_ten_next_moments)
    settings(max_examples=examples, deadline=None)(check)()


@pytest.mark.parametrize(
    ("text", "aws"),
    [
        ("0 2 * * *", "cron(0 2 * * ? *)"),  # the seed's
        ("*/15 * * * *", "cron(0,15,30,45 * * * ? *)"),
        ("0 6 * * MON-FRI", "cron(0 6 ? * 2,3,4,5,6 *)"),
        ("0 6 * * 7", "cron(0 6 ? * 1 *)"),
        ("0 6 1 JAN *", "cron(0 6 1 1 ? *)"),
        ("0 6 * * 0-6", "cron(0 6 * * ? *)"),
    ],
)
def test_the_form_of_aws(text: str, aws: str) -> None:
    """As AWS documents it: a `?`, weekdays from Sunday as 1, and a year."""
    assert cron.schedule(text) is None
    assert cron.for_aws(text) == aws
    assert of_cron(text) == of_aws(aws)


@pytest.mark.parametrize(
    "text",
    ["", "0 2 * *", "60 2 * * *", "0 2 1 * 1", "0 2 30 FEB *", "0 5-3 * * *", "*/0 * * * *", "0 2 * * ?", "@daily", 5],
)
def test_what_is_no_schedule(text: object) -> None:
    """It is refused with a remedy."""
    assert cron.schedule(text)
