"""Which objects a run reads."""

import json

from lambda_functions.lake.checkpoint import Checkpoint


def test_an_hour_stays_open_for_a_day() -> None:
    """Firehose may write an object of an hour up to 24 hours later; until then its keys are remembered."""
    first = Checkpoint().after(["2024/06/01/10/a", "2024/06/01/10/c"])
    later = first.after(["2024/06/02/10/a"])
    assert later.since <= "2024/06/01/10"
    assert later.processed == {"2024/06/01/10/a", "2024/06/01/10/c", "2024/06/02/10/a"}
    assert later.after(["2024/06/01/10/b"]).newest == "2024/06/02/10/a"


def test_a_closed_hour_is_forgotten() -> None:
    """The list of keys does not grow with the lake."""
    checkpoint = Checkpoint()
    for day in range(1, 29):
        checkpoint = checkpoint.after([f"2024/06/{day:02}/00/a"])
    assert len(checkpoint.processed) == 2
    assert checkpoint.since == "2024/06/26/23"


def test_a_key_without_an_hour_closes_nothing() -> None:
    """A foreign key is processed once and moves nothing."""
    checkpoint = Checkpoint().after(["zebra", "2024/06/01/10/a", "2024/99/99/99/a"])
    assert checkpoint.since == "2024/05/31/09"
    assert "zebra" in checkpoint.processed


def test_it_survives_being_stored() -> None:
    """What is written is what is read."""
    checkpoint = Checkpoint().after(["2024/06/01/10/a", "2024/06/01/11/b"])
    assert Checkpoint.from_dict(json.loads(json.dumps(checkpoint.to_dict()))) == checkpoint
