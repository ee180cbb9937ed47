"""The types of messages.pyi and events.pyi say what messages.py checks and what is sent, and nothing else."""

import json
from pathlib import Path
from typing import Any, Literal, NotRequired, Union, get_args, get_origin

import pytest

from protocol import messages, topics
from tests.protocol.types import events, fields, flaws, stub

EXAMPLES = Path(__file__).parents[2] / "protocol" / "examples"
TYPES: Any = stub("messages")
SHAPES: dict[str, Any] = {get_args(pair[0])[0]: pair[1] for pair in map(get_args, get_args(TYPES._Decoded))}
EVENTS: Any = stub("events")
TABLES: Any = messages  # with what its types keep private
TOPICS: Any = topics

# What a check of messages.py lets through, as a type.
CHECKS = {
    TABLES._word: str,
    TABLES._sensor_id: str,
    TABLES._text: str,
    TABLES._integer: int,
    TABLES._number: float,
    TABLES._words: list[str],
    TABLES._counts: dict[str, int],
    TABLES._settings: dict[str, int],
    TABLES._outliers: dict[str, float],
    TABLES._samples: list[TYPES.Sample],
}


def of_row(row: tuple[Any, bool, Any]) -> Any:
    """The type of a field, from its row in the table."""
    check, is_required, argument = row
    shape = Literal[tuple(argument)] if check is TABLES._one_of else CHECKS[check]
    return shape if is_required else NotRequired[Union[shape, None]]  # noqa: UP007 - `|` does not take a Literal made here


def test_every_kind_has_its_type() -> None:
    """The kinds of the tables, of the topics and of `decode`'s type are the same ones."""
    kinds = set(get_args(stub("topics")._Kind))
    assert set(SHAPES) == set(TABLES._FIELDS) == kinds
    of_topics = {kind for _, _, kind, _ in TOPICS._WITH_ID} | {*TOPICS._FIXED.values(), "update"}
    assert of_topics == kinds


@pytest.mark.parametrize("kind", sorted(TABLES._FIELDS))
def test_a_type_has_its_tables_fields(kind: str) -> None:
    """Whatever messages.py checks stands in the type, exactly so, and nothing stands there that it does not check."""
    table = {name: of_row(row) for name, row in TABLES._FIELDS[kind].items()}
    assert fields(SHAPES[kind]) == {"v": NotRequired[int], **table}


def test_a_sample_has_every_quantity() -> None:
    """A sample's type has the fields that each sample has, and every quantity, which may be missing or None."""
    table = {name: of_row(row) for name, row in TABLES._SAMPLE.items()}
    quantities = dict.fromkeys(messages.QUANTITIES, NotRequired[float | None])
    assert fields(TYPES.Sample) == {**table, **quantities}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_golden_documents_are_of_their_types(path: Path) -> None:
    """Each golden document is of its kind's type, to the last sample."""
    document = json.loads(path.read_text())
    assert list(flaws(document, SHAPES[path.stem.split("_")[0]])) == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_a_document_of_another_type_is_found(path: Path) -> None:
    """A field that is missing, unknown or of another type is named: the test above can fail."""
    document, shape = json.loads(path.read_text()), SHAPES[path.stem.split("_")[0]]
    for name, kind in fields(shape).items():
        is_optional = get_origin(kind) is NotRequired
        rest = {key: value for key, value in document.items() if key != name}
        assert list(flaws(rest, shape)) == ([] if is_optional else [f".{name}: is missing"])
        assert len(list(flaws({**document, name: object()}, shape))) == 1
    assert list(flaws({**document, "extra": 1}, shape)) == [".extra: is unknown"]


def test_every_event_has_a_kind_of_its_own() -> None:
    """A reader can go by the kind alone: each is one type, and each type has `at`."""
    kinds = [get_args(fields(shape)["kind"]) for shape in get_args(EVENTS.Event)]
    assert all(len(names) == 1 for names in kinds)
    assert len(events()) == len(kinds)
    assert all(fields(shape)["at"] is int for shape in get_args(EVENTS.Event))
