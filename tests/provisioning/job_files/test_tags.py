"""Tags: whose value counts, what each cloud takes of them, and that no change of a value goes unsaid."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from botocore.session import Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioning.job_files.clouds import CloudTag, for_aws, for_google, label_value
from provisioning.job_files.explain import explain
from provisioning.job_files.secrets import why_secret
from provisioning.job_files.tags import ASSET, CONNECTOR, JOB, SOURCES, Origin, Tag, Value, Written, merge, over

ORIGIN = Origin("job.yaml", 7, "finops.project")
# Whatever there is; and what a cloud may take, so that more than refusals are looked at.
WORDS = st.text(min_size=1, max_size=300) | st.text("aB9 +-=._:/@é水", min_size=1, max_size=90)
VALUES = WORDS | st.lists(WORDS, min_size=1, max_size=4).map(tuple)
KEYS = st.text("abcDEF09_-.: é", min_size=1, max_size=70) | st.text("aA_-", min_size=1, max_size=4)
LIKELY = st.dictionaries(  # that a cloud takes
    st.text("abC_", min_size=1, max_size=9), st.text("abC01 .:/@é", min_size=1, max_size=70), max_size=53
)
TAGS = (st.dictionaries(KEYS, VALUES, max_size=55) | LIKELY).map(
    lambda found: [tag(key, value) for key, value in found.items()]
)


def tag(key: str, value: Value) -> Tag:
    return Tag(key, Written(value, ORIGIN, is_public=True))


def written(value: Value, place: str = "x") -> Written:
    return Written(value, Origin("f.yaml", 1, place))


@pytest.mark.parametrize("key", SOURCES)
def test_the_nearest_source_counts(key: str) -> None:
    """JobFile before asset before connector, and each of them alone; the others are told as overridden, in order."""
    places = SOURCES[key]
    for first in range(len(places)):
        sources: dict[str, dict[str, Written]] = {JOB: {}, ASSET: {}, CONNECTOR: {}}
        for number, (source, place) in list(enumerate(places))[first:]:
            sources[source][place] = written(f"v{number}", place)
        found = next(one for one in merge(sources) if one.key == key)
        assert found.value == f"v{first}"
        assert [one.value for one in found.overridden] == [f"v{number}" for number in range(first + 1, len(places))]
    assert merge({}) == []


def divided(words: list[str], place: int) -> Value:
    """Two entries whose text is the same, wherever they are divided."""
    return "-".join(words[:place]), "-".join(words[place:])


def merging_twice_changes_nothing(tags: list[Tag], others: list[Tag]) -> None:
    """Merging is idempotent, and what is on top counts."""
    once = over(tags, others)
    assert over(once, others) == once
    assert over(once, once) == once
    values = {one.key: one.value for one in once}
    assert values == {one.key: one.value for one in [*tags, *others]}


def reported(made: list[CloudTag]) -> None:
    """Every value that is not what was written says why."""
    for one in made:
        assert one.changes or (one.key, one.value) == (one.tag.key, "".join(one.tag.value)), one
        assert not one.changes or any("was " in line for line in explain([one]))


def every_aws_tag_is_legal_or_refused(tags: list[Tag]) -> None:
    """What has no fault is what every service of AWS takes; a fault names file and line."""
    made, faults = for_aws(tags)
    assert all(one.origin is ORIGIN and one.why for one in faults)
    if not faults:
        assert len(made) <= 50
        for one in made:
            assert re.fullmatch(r"[A-Za-z0-9_.:-]{1,128}", one.key)
            assert len(one.value) <= 256
            assert all(unicodedata.category(sign)[0] in "LN" or sign in " +-=._:/@" for sign in one.value)
        reported(made)


def every_label_is_legal_or_refused(tags: list[Tag], hyphens: bool) -> None:
    """What has no fault is a label, and no two keys are one."""
    made, faults = for_google(tags, hyphens=hyphens)
    if not faults:
        assert len({one.key for one in made}) == len(made) == len(tags) <= 64
        for one in made:
            assert re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", one.key)
            assert re.fullmatch(r"[a-z0-9_-]{0,63}", one.value)
        reported(made)


def a_value_that_was_cut_meets_no_other(both: tuple[Value, Value]) -> None:
    """Values that differ stay apart if either was cut."""
    one, other = both
    (first, why), (second, why_other) = label_value(one), label_value(other)
    was_cut = any("at most" in text for text in (*why, *why_other))
    if was_cut and one != other:
        assert first != second


def a_change_goes_unsaid_nowhere(written_value: Value) -> None:
    """What either cloud is given is what was written, or `--explain` says what it was, and why it is not."""
    text = written_value if isinstance(written_value, str) else written_value[0] if len(written_value) == 1 else None
    for make in (for_aws, for_google):
        (one,), _ = make([tag("owner", written_value)])
        assert bool(one.changes) == (one.value != text)
        reported([one])


FEW_VALUES: tuple[Value, ...] = ("1", "2", ("1", "2"), ("1",))
FEW = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(FEW_VALUES)).map(
    lambda found: [tag(key, value) for key, value in found.items()]
)
LONG, TAIL = st.text("aB-_é", min_size=50, max_size=75), st.text("aB-_é", max_size=3)
# Such as differ in their ends alone; and lists that are one text, joined.
CUT = st.tuples(LONG, TAIL, TAIL).map(lambda row: (row[0] + row[1], row[0] + row[2])) | st.tuples(
    st.lists(st.text("ab", min_size=15, max_size=20), min_size=4, max_size=5), st.integers(1, 3), st.integers(1, 3)
).map(lambda row: (divided(row[0], row[1]), divided(row[0], row[2])))
ALWAYS: dict[Callable[..., None], tuple[st.SearchStrategy[Any], ...]] = {
    merging_twice_changes_nothing: (FEW, FEW),
    every_aws_tag_is_legal_or_refused: (TAGS,),
    every_label_is_legal_or_refused: (TAGS, st.booleans()),
    a_value_that_was_cut_meets_no_other: (CUT,),
    a_change_goes_unsaid_nowhere: (VALUES,),
}


@pytest.mark.timeout(3600)  # a hundred thousand examples of tags take a quarter of an hour
@pytest.mark.parametrize("examples", [200, pytest.param(100_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("check", ALWAYS, ids=lambda check: check.__name__)
def test_it_holds_for_any_tags(check: Callable[..., None], examples: int) -> None:
    """What the check says, of whatever was written."""
    settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])(
        given(*ALWAYS[check])(check)
    )()


def test_the_seeds_labels() -> None:
    """The values of the seed's own module call; its keys keep their `_`, or get hyphens where asked."""
    values = {"ENG-001": "eng-001", "PII": "pii", "data-team@acme.com": "data-team-acme-com"}
    assert {value: label_value(value)[0] for value in values} == values
    assert label_value(("sales", "crm"))[0] == "sales-crm"
    tags = [tag("finops_cost_center", "ENG-001")]
    assert [one.key for one in for_google(tags)[0]] == ["finops_cost_center"]
    assert [one.key for one in for_google(tags, hyphens=True)[0]] == ["finops-cost-center"]
    assert label_value("São Tomé")[0] == "sao-tome"


@pytest.mark.parametrize(
    ("tags", "hyphens", "why"),
    [
        ([tag("a_b", "x"), tag("a-b", "y")], True, "'a_b' and 'a-b' both are it"),
        ([tag("Owner", "x"), tag("owner", "y")], False, "'Owner' and 'owner' both are it"),
        ([tag("owner", "???")], False, "has no letter or digit"),
        ([tag("9", "x")], False, "want a lower case letter"),
        ([tag(f"k{n}", "x") for n in range(65)], False, "65 tags"),
    ],
)
def test_what_google_cannot_take(tags: list[Tag], hyphens: bool, why: str) -> None:
    """One fault, which says what is wrong."""
    (fault,) = for_google(tags, hyphens=hyphens)[1]
    assert why in fault.why


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("aws:owner", "x", "begin with aws:"),
        ("owner", "sales,crm", "has a comma, which ECS refuses"),
        ("owner", "R&D", "has '&'"),
        ("owner", " x", "begins or ends with a space"),
        ("owner", "x" * 257, "257 characters"),
        ("own er", "x", "AWS takes 1 to 128"),
    ],
)
def test_what_aws_cannot_take(key: str, value: str, why: str) -> None:
    """One fault, which says what is wrong."""
    (fault,) = for_aws([tag(key, value)])[1]
    assert why in fault.why
    assert for_aws([tag("owner", "x" * 256)])[1] == []


@pytest.mark.parametrize(
    ("service", "shape"),
    [
        ("ecs", "TagValue"),
        ("logs", "TagValue"),
        ("iam", "tagValueType"),
        ("events", "TagValue"),
        ("cloudwatch", "TagValue"),
        ("efs", "TagValue"),
    ],
)
def test_the_services_own_patterns(service: str, shape: str) -> None:
    """A list joined by spaces is what each service's model takes; those that state a pattern refuse a comma."""
    model = Session().get_service_model(service).shape_for(shape)
    pattern = str(model.metadata.get("pattern", ".*")).removeprefix("^").removesuffix("$")
    for theirs, ours in (("\\p{L}", "A-Za-z"), ("\\p{Z}", " "), ("\\p{N}", "0-9")):
        pattern = pattern.replace(theirs, ours)
    (made,), _ = for_aws([tag("finops_business_tags", ("sales", "crm"))])
    assert made.value == "sales crm"
    assert re.fullmatch(pattern, made.value)
    assert model.metadata["max"] >= 256
    assert bool(re.fullmatch(pattern, "sales,crm")) == (service in {"events", "cloudwatch"})


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "password=hunter2",
        "wJalrXUtnFEMIbK7MDENGbPxRfiCYEXAMPLEKEY",
        "postgres://user:word@host/db",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.x",
        "-----BEGIN RSA",
    ],
)
def test_what_looks_like_a_secret(secret: str) -> None:
    """It is refused in any tag of either cloud, unless its line says that it is none."""
    assert why_secret(secret)
    tags = [Tag("owner", written(secret))]
    assert any("no place for secrets" in one.why for one in for_aws(tags)[1])
    assert any("no place for secrets" in one.why for one in for_google(tags)[1])
    public = [Tag("owner", Written(secret, ORIGIN, is_public=True))]
    assert not any("secrets" in one.why for one in for_aws(public)[1])


@pytest.mark.parametrize(
    "word",
    ["data-team@company.com", "customer-data-platform-2026", "hubspot_contacts", "5f" * 32, "ENG-001", "role_based"],
)
def test_what_is_no_secret(word: str) -> None:
    """Addresses, names and digests are none."""
    assert why_secret(word) is None
