"""Farm ids, and what is called after them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from certs.authority import Authority
from firmware import flash
from protocol import farms, topics
from protocol.errors import TopicError
from updates.errors import FleetError
from updates.publish import fleet

ROOT = Path(__file__).parents[2]
GOOD = ("irrigation", "sitio1", "ab", "a" * 20, "12345678000199", "12abc34501de35", "00000000000000")
BAD = (
    "",
    "a",
    "a" * 21,
    "1sitio",
    "Sitio1",
    "sitio-1",
    "sitio_1",
    "sitio.1",
    "sitio/1",
    "sítio",
    "sitio1\n",
    " sitio1",
)
NO_CNPJ = ("1234567800019", "123456780001999", "12.345.678/0001-99", "12ABC34501DE35", "12abc34501de3x")


@pytest.mark.parametrize("farm", GOOD)
def test_a_name_or_a_cnpj_is_a_farm_id(farm: str) -> None:
    """A plain name of two to twenty characters, or the 14 of a CNPJ, in its new form with letters too."""
    assert farms.checked(farm) == farm
    assert farms.farm_of(farms.root(farm)) == farm


@pytest.mark.parametrize("farm", [*BAD, *NO_CNPJ])
def test_what_could_reach_another_farm_is_refused(farm: str) -> None:
    """No hyphen, dot or slash, no capitals, nothing too short or long; the error names the input and the remedy."""
    with pytest.raises(farms.FarmError) as told:
        farms.checked(farm)
    assert repr(farm) in str(told.value)
    assert "as sitio1" in str(told.value)


def test_words_of_the_topic_tree_are_refused() -> None:
    """Below the default farm's root they are branches of its own: a farm of such a name would be within it."""
    of_design = {"sensors", "data", "gateway", "status", "control", "command", "ack", "all", "system", "updates"}
    assert of_design | {"errors", "diagnostics"} == farms.WORDS
    for word in farms.WORDS:
        with pytest.raises(farms.FarmError, match=f"'{word}': is a word of the topics; choose another, as {word}1"):
            farms.root(word)


@pytest.mark.parametrize(
    "root", ["irrigation/", "irrigation/irrigation", "sitio1", "irrigation/a/b", "irrigation/errors"]
)
def test_a_root_is_the_default_farms_or_below_it(root: str) -> None:
    """Nothing else may stand in a board's config.json."""
    with pytest.raises(farms.FarmError):
        farms.farm_of(root)


def test_terraform_refuses_the_same_ids() -> None:
    """Pattern and words stand in the module of identities as they do here."""
    text = (ROOT / "terraform" / "modules" / "iot" / "variables.tf").read_text()
    assert re.findall(r'regex\("(.*)", var\.farm\)', text) == [farms.PATTERN]
    words = re.search(r"!contains\(\[(.*)\], var\.farm\)", text)
    assert words is not None
    assert set(re.findall(r'"(\w+)"', words[1])) == farms.WORDS


COMMANDS = [
    ("certs", "issue", "--gateways", "1"),
    ("compute_service", "run", "--zones", "zones.yaml"),
    ("gateway_sim", "--days", "1"),
    ("updates", "serve", "--host", "x"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_program_refuses_what_is_no_farm(command: tuple[str, ...]) -> None:
    """`--farm` is checked before anything is done: one line, and code 2."""
    done = subprocess.run(
        [sys.executable, "-m", *command, "--farm", "sensors"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "argument --farm: farm 'sensors': is a word of the topics" in done.stderr


def test_the_setting_is_the_farm_of_every_program(tmp_path: Path) -> None:
    """PYTHOFLOW_FARM stands for `--farm`, and is checked as that is."""
    command = [sys.executable, "-m", "certs", "issue", "--gateways", "1", "--out", str(tmp_path)]
    for farm, code in (("sensors", 2), ("sitio1", 0)):
        done = subprocess.run(
            command, env={**os.environ, farms.SETTING: farm}, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
    assert {path.name for path in tmp_path.iterdir()} >= {"sitio1-gateway-1", "sitio1-compute"}


THINGS = {
    "sitio1": ("sitio1-gateway-1", "sitio1-gateway-12", "sitio1-compute", "sitio1-updates"),
    "12abc34501de35": ("12abc34501de35-gateway-1",),
    "irrigation": (
        "irrigation-gateway-1",
        "irrigation-compute",
        "north-barn",
        "pump-house-gateway-1",
        "sitio1",
        "sitio1-barn",
        "sitio1-gateway-1a",
        "sitio1-gateway-1\n",
        "system-updates",
        "gateway-1",
        "1sitio-compute",
    ),
}


@pytest.mark.parametrize(("farm", "thing"), [(farm, thing) for farm, things in THINGS.items() for thing in things])
def test_a_thing_is_of_one_farm(farm: str, thing: str) -> None:
    """A gateway or a service that is called after a farm is that one's; any other name is the default farm's."""
    assert farms.whose(thing) == farm


def test_a_service_s_fleet_is_its_farm_s(tmp_path: Path) -> None:
    """Firmware goes to the boards of the farm, whatever identities of other farms and of services lie in the folder."""
    authority = Authority(tmp_path)
    for thing in ("irrigation-gateway-1", "irrigation-compute", "north-barn", *THINGS["sitio1"], "sitio10-gateway-1"):
        authority.issue(thing)
    assert fleet(tmp_path, "sitio1") == ["sitio1-gateway-1", "sitio1-gateway-12"]
    assert fleet(tmp_path) == ["irrigation-gateway-1", "north-barn"]
    with pytest.raises(FleetError, match="no board of the farm sitio2 has an identity there"):
        fleet(tmp_path, "sitio2")


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ({"gateway_id": "sitio1-gateway-1", "root": "irrigation/sitio-1"}, "want 2 to 20 of a-z and 0-9"),
        ({"gateway_id": "sitio1-gateway-1", "root": "sitio1"}, "want irrigation, or irrigation/ and the farm's id"),
        ({"gateway_id": "irrigation-gateway-1", "root": "irrigation/sitio1"}, "is no thing of the farm in root"),
        ({"gateway_id": "sitio10-gateway-1", "root": "irrigation/sitio1"}, "as sitio1-gateway-1"),
        ({"gateway_id": "sitio1-gateway-1"}, "is a thing of the farm sitio1; its root is irrigation/sitio1"),
        ({"gateway_id": "sitio1-gateway-1", "root": "irrigation"}, "its root is irrigation/sitio1"),
        ({"gateway_id": "sitio1-barn", "root": "irrigation/sitio1"}, "as sitio1-gateway-1"),
        ({"gateway_id": "sitio1-compute", "root": "irrigation/sitio1"}, "is the name of a service"),
        ({"gateway_id": "irrigation-compute"}, "is the name of a service"),
        ({"gateway_id": "irrigation-updates"}, "is the name of a service"),
        ({"gateway_id": "north-barn-updates"}, "is the name of a service"),
    ],
)
def test_a_board_is_not_flashed_for_two_farms(entries: dict[str, str], complaint: str) -> None:
    """A root that is none, a gateway of another farm, or a service's name: the broker would deny it everything."""
    with pytest.raises(flash.FlashError, match=complaint):
        flash.check_root(entries)
    flash.check_root({"gateway_id": "north-barn"})
    flash.check_root({"gateway_id": "sitio1-gateway-1", "root": farms.root("sitio1")})


def test_a_topic_is_of_one_farm() -> None:
    """After `use`, every topic is the farm's own, and none of another farm's is read, those of old firmware neither."""
    topics.use(farms.root("sitio1"))
    try:
        assert topics.data("sitio1-gateway-1.soil-a") == "irrigation/sitio1/sensors/sitio1-gateway-1.soil-a/data"
        assert topics.parse("irrigation/sitio1/errors/g") == ("error", "g")
        assert topics.updates() == "irrigation/sitio1/system/updates"
        assert not {name for name in topics.from_gateways() if not name.startswith("irrigation/sitio1/")}
        others = (
            "irrigation/errors/g",
            "irrigation/sitio10/errors/g",
            "irrigation/sitio1/errors",
            "irrigation/sitio1/x",
        )
        for name in (*others, *topics.UNPROVEN, "irrigation/system/updates"):
            with pytest.raises(TopicError):
                topics.parse(name)
    finally:
        topics.use(None)
    with pytest.raises(TopicError):
        topics.parse("irrigation/sitio1/errors/g")
