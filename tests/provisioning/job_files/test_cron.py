"""Five fields of cron and AWS's six mean the same moments."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

import pytest
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


def moments(minute: set[int], hour: set[int], day: set[int], month: set[int], weekday: set[int]) -> Iterator[datetime]:
    """From the start on, minute by minute of the days that match; `weekday` counts from Sunday, which is 0."""
    date = START.replace(hour=0, minute=0)
    while date < START + timedelta(days=9 * 366):
        if date.day in day and date.month in month and (date.weekday() + 1) % 7 in weekday:
            for one in sorted(hour):
                for other in sorted(minute):
                    if (at := date.replace(hour=one, minute=other)) > START:
                        yield at
        date += timedelta(days=1)


def of_cron(text: str) -> list[datetime]:
    names = ((), (), (), MONTHS, DAYS)
    most = (59, 23, 31, 12, 6)  # a star's; a 7 is Sunday, too
    fields = [
        numbers(
            field,
            LEAST_MOST[n][0],
            7 if n == 4 and field != "*" and "*" not in field else most[n],
            names[n],
            LEAST_MOST[n][0],
        )
        for n, field in enumerate(text.split())
    ]
    fields[4] = {number % 7 for number in fields[4]}
    return list(islice(moments(*fields), 10))


def of_aws(text: str) -> list[datetime]:
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
    return list(islice(moments(*fields), 10))


def field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    pair = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    part = number.map(str) | pair
    stepped = st.tuples(st.just("*") | pair, st.integers(1, most)).map(lambda row: f"{row[0]}/{row[1]}")
    return st.just("*") | st.lists(part | stepped, min_size=1, max_size=3).map(",".join)


TEXTS = st.tuples(*(field(least, most) for least, most in LEAST_MOST)).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_both_forms_have_the_same_ten_next_moments(text: str) -> None:
    """A text is refused, or AWS's form of it starts at the same times."""
    if cron.schedule(text) is None:
        assert of_cron(text) == of_aws(cron.for_aws(text)) != []


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
