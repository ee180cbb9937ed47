"""A FarmSpec: what is read from files and bodies, and that each mistake names its field, its line and the remedy."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from provisioning.farms.errors import FarmSpecError
from provisioning.farms.spec import Contact, FarmConsole, read, read_file

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:irrigation-farm-sitio1-prod-console-AbCdEf"
ANA = {
    "name": "Ana",
    "channel": "whatsapp",
    "address": "+5534999990000",
    "language": "pt-BR",
    "consent_at": "2026-11-01T10:00:00-03:00",
}
LEAST = {"farm": "sitio1", "name": "Sítio da Serra", "cloud": "aws"}
WHOLE = {
    "cnpj": "12.ABC.345/01DE-35",
    "name": "Fazenda Santa Clara",
    "cloud": "gcp",
    "region": "southamerica-east1",
    "environment": "prod",
    "timezone": "America/Recife",
    "gateways": 4,
    "naming": "vmhub",
    "compute": "none",
    "sync": "http",
    "retention_days": 365,
    "contacts": [ANA],
    "console": {"url": "https://farm.example:8080", "token_ref": ARN},
}


def refused(value: Any) -> list[str]:
    with pytest.raises(FarmSpecError) as caught:
        read(value)
    return caught.value.mistakes


def test_a_farm_says_little_and_the_rest_is_usual() -> None:
    """Who it is, what it is called and where: what else it wants has the usual value."""
    spec = read(LEAST)
    assert spec.farm_id == "sitio1"
    assert spec.document() == {
        **LEAST,
        "region": "us-east-1",
        "environment": "dev",
        "timezone": "America/Sao_Paulo",
        "gateways": 1,
        "naming": "irrigation",
        "compute": "process",
        "sync": "lake",
        "retention_days": 30,
        "contacts": [],
    }


def test_all_that_a_farm_says_is_kept() -> None:
    """Each field arrives, people and console with it; what is made of it as JSON is read as the same again."""
    spec = read(WHOLE)
    assert spec.farm_id == "12abc34501de35"
    at = datetime(2026, 11, 1, 13, tzinfo=UTC)
    assert spec.contacts == (
        Contact(name="Ana", channel="whatsapp", address="+5534999990000", language="pt-BR", consent_at=at),
    )
    assert spec.console == FarmConsole(url="https://farm.example:8080", token_ref=ARN)
    assert spec.document() == {**WHOLE, "cnpj": "12abc34501de35"}
    assert read(json.loads(json.dumps(spec.document()))) == spec


def test_a_farm_without_a_cloud_syncs_nothing() -> None:
    """At its own broker there is no region, and nowhere to bring anything to, unless it says otherwise by mistake."""
    own = {**LEAST, "cloud": "none"}
    assert (read(own).region, read(own).sync) == (None, "none")
    assert refused({**own, "region": "us-east-1", "sync": "lake"}) == [
        "region: 'us-east-1': there is no cloud; leave it out",
        "sync: 'lake': there is no cloud to bring anything to; write none",
    ]


def test_the_seeds_example_is_read_where_that_is_asked_for() -> None:
    """Its check digits are wrong: strictly it is refused, with the reason."""
    seed = {"cnpj": "12345678000199", "name": "VMHub", "cloud": "gcp", "naming": "vmhub"}
    assert refused(seed) == [
        "cnpj: '12345678000199': its check digits do not fit the rest; look at each character again"
    ]
    assert read(seed, lenient=True).farm_id == "12345678000199"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"farm": "sensors"}, "farm: 'sensors': is a word of the topics; choose another, as sensors1"),
        ({"farm": "Sitio1"}, "farm: 'Sitio1': want 2 to 20 of a-z and 0-9, a letter first"),
        ({"farm": "sitio-1"}, "farm: 'sitio-1': want 2 to 20"),
        ({"farm": "ab12cd34ef0112"}, "farm: 'ab12cd34ef0112': has the form of a CNPJ; write it as cnpj"),
        ({"farm": "all"}, "farm: 'all': is a word of the topics; choose another, as all1"),
        ({"farm": None}, "farm: None: want 2 to 20"),
        ({"cnpj": "12345678000195"}, "farm: 'sitio1': a farm has one of farm and cnpj"),
        ({"name": " "}, "name: ' ': want a text of one line"),
        ({"name": "a\nb"}, "name: 'a\\nb': want a text of one line"),
        ({"cloud": "azure"}, "cloud: 'azure': not known here; known: aws, gcp, none"),
        ({"region": "us-central1"}, "region: 'us-central1': is no region of AWS"),
        ({"environment": "dev-2"}, "environment: 'dev-2': want 2 to 12 lower case letters"),
        ({"timezone": "America/SaoPaulo"}, "timezone: 'America/SaoPaulo': is no time zone, did you mean"),
        ({"gateways": True}, "gateways: True: want a whole number from 0 to 10000"),
        ({"gateways": 10_001}, "gateways: 10001: want a whole number from 0 to 10000"),
        ({"naming": "vmhubb"}, "naming: 'vmhubb': not known here; did you mean 'vmhub'?"),
        ({"naming": "vmhub"}, "naming: 'vmhub': is made of a CNPJ; give cnpj in place of farm, or write irrigation"),
        ({"compute": "fargate"}, "compute: 'fargate': not known here; known: process, none"),
        ({"sync": "ftp"}, "sync: 'ftp': not known here; "),
        ({"retention_days": -1}, "retention_days: -1: want a whole number from 0 to 3650"),
        ({"gateway": 3}, "farm: unknown key 'gateway', did you mean 'gateways'?; known: "),
        ({"<<": {"gateways": 3}}, "farm: unknown key '<<'"),
        ({"contacts": ANA}, "contacts: dict of 5: want a list of rows"),
        ({"contacts": [ANA] * 51}, "contacts: list of 51: want 50 at most"),
        ({"contacts": [{**ANA, "consent": True}]}, "contacts 1: unknown key 'consent'"),
        (
            {"contacts": [ANA, {**ANA, "address": "34 99999"}]},
            "contacts 2, address: '34 99999': want a number with its",
        ),
        ({"contacts": [{**ANA, "channel": "email"}]}, "contacts 1, address: '+5534999990000': want an address, as"),
        ({"contacts": [{**ANA, "channel": "fax"}]}, "contacts 1, channel: 'fax': not known here; known: whatsapp"),
        (
            {"contacts": [{**ANA, "language": "pt"}]},
            "contacts 1, language: 'pt': not known here; ",
        ),
        (
            {"contacts": [{**ANA, "consent_at": "2026-11-01T10:00:00"}]},
            "contacts 1, consent_at: '2026-11-01T10:00:00': want",
        ),
        (
            {"contacts": [{**ANA, "consent_at": True}]},
            "contacts 1, consent_at: True: want when they agreed, with the zone",
        ),
        ({"contacts": [{k: v for k, v in ANA.items() if k != "consent_at"}]}, "contacts 1: consent_at is missing"),
        ({"console": {"url": "ftp://x", "token_ref": ARN}}, "console, url: '...': want the console's address"),
        ({"console": {"url": "https://a:b@x", "token_ref": ARN}}, "console, url: '...': want the console's"),
        ({"console": "EAAGm0PX4ZCpsBA"}, "console: '...': want url and token_ref"),
        ({"console": {"url": "https://x"}}, "console: token_ref is missing"),
    ],
)
def test_each_mistake_names_the_field_and_the_remedy(changes: dict[str, Any], why: str) -> None:
    """One line, which says what was written and what to write."""
    [mistake] = refused({**LEAST, **changes})
    assert mistake.startswith(why)


def test_a_token_in_clear_is_refused_and_not_repeated() -> None:
    """Where a reference belongs no token is taken, and the answer does not have it in it."""
    [mistake] = refused({**LEAST, "console": {"url": "https://x", "token_ref": "EAAGm0PX4ZCpsBA"}})
    assert mistake.startswith("console, token_ref: '...': want where the secret lies, as projects/PROJECT/secrets/NAME")
    assert "EAAG" not in mistake


def test_a_farm_without_an_id_is_refused() -> None:
    """A registration that has none is told so, in the words that its status has."""
    assert refused({"name": "Sítio", "cloud": "aws"}) == ["farm: No CNPJ provided; write cnpj, or farm for a plain id"]


@pytest.mark.parametrize(
    "value", [None, [], "farm", 3, float("nan"), [[[[]]]], {"farm": {"a": [1]}}, {"name": "\ud800"}]
)
def test_any_other_value_is_refused(value: Any) -> None:
    """Whatever a client sends, it is told what is wrong."""
    assert refused(value)


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8),
    lambda below: some.lists(below, max_size=3) | some.dictionaries(some.text(max_size=8), below, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(some.sampled_from(sorted(WHOLE)), JSON, some.booleans())
def test_whatever_stands_in_a_field_is_read_or_refused(field: str, value: Any, is_alone: bool) -> None:
    """No value of JSON ends in a bug; what is taken is the same when it is read again."""
    document = {field: value} if is_alone else {**WHOLE, field: value}
    try:
        spec = read(document)
    except FarmSpecError as error:
        assert error.mistakes
    else:
        assert read(spec.document()) == spec


def test_a_value_of_a_thousand_levels_is_refused() -> None:
    """Depth is bounded, as in files."""
    deep: Any = []
    for _ in range(1000):
        deep = [deep]
    assert refused({**LEAST, "contacts": deep}) == ["farm: more than 40 deep"]


FILE = """\
farm:
  cnpj: 00345678000171
  name: Sítio da Serra
  cloud: aws
  contacts:
    - name: Ana
      channel: email
      address: ana@sitio.example
      consent_at: 2026-11-01 10:00:00 -03:00
"""


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    """A CNPJ without quotes keeps the noughts before it, and a YAML time is a time; JSON is read by the same words."""
    path = tmp_path / "farm.yaml"
    path.write_text(FILE.replace("00345678000171", "00017230000163"))
    spec = read_file(path)
    assert spec.cnpj == "00017230000163"
    assert spec.contacts[0].consent_at == datetime(2026, 11, 1, 13, tzinfo=UTC)
    path.write_text(json.dumps({"farm": spec.document()}, indent=1))
    assert read_file(path) == spec


def test_a_file_is_refused_line_by_line(tmp_path: Path) -> None:
    """All mistakes at once, from top to bottom, each with its line."""
    path = tmp_path / "farm.yaml"
    path.write_text(FILE.replace("email", "mail").replace("cloud: aws", "clod: aws") + "more: 1\n")
    with pytest.raises(FarmSpecError) as caught:
        read_file(path)
    lines = [line.removeprefix(f"{path}:") for line in caught.value.mistakes]
    starts = [
        "2: farm, cnpj: '00345678000171': its check digits do not fit the rest",
        "2: farm: cloud is missing",
        "4: farm: unknown key 'clod', did you mean 'cloud'?",
        "7: farm, contacts 1, channel: 'mail': not known here; did you mean 'email'?",
        "10: farm file: unknown key 'more'",
    ]
    assert len(lines) == len(starts)
    assert [line for line, start in zip(lines, starts, strict=True) if not line.startswith(start)] == []
