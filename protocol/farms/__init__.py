"""Farm ids: what one is, and what is called after it. Boards do not get this folder: their config.json has the root.

The default farm has the names and topics that were there before there was a second one. No id has a hyphen, a dot or a
slash, so that no wildcard over one farm's names takes in another's: `sitio1-*` does not mean `sitio10-gateway-1`.
"""

import argparse
import os
import re

from protocol import topics
from protocol.errors import ProtocolError

DEFAULT = topics.ROOT
SETTING = "PYTHOFLOW_FARM"  # what `--farm` is by default, in every program
PATTERN = "^([a-z][a-z0-9]{1,19}|[0-9][0-9a-z]{11}[0-9]{2})$"  # a name, or the 14 characters of a CNPJ
SERVICES = ("-compute", "-updates")  # of a farm, by how their names end
_THING = "([a-z0-9]+)-(gateway-[0-9]+|compute|updates)"
_BELOW_A_ROOT = (*topics.UNPROVEN, *topics.from_gateways(), *topics.for_gateway("x"))
WORDS = frozenset(word for topic in _BELOW_A_ROOT for word in topic.split("/")[1:]) - {"+", "x"}  # of the topic tree


class FarmError(ProtocolError):
    """This is no farm id; the text says why, and what would be one."""

    def __init__(self, farm: object, why: str) -> None:
        super().__init__(f"farm {farm!r}: {why}")
        self.farm = farm


def checked(farm: str) -> str:
    """The same, if it may be a farm's id. Raises FarmError.

    Whether a CNPJ's check digits are right is another question.
    """
    if not re.fullmatch(PATTERN, farm):
        want = "want 2 to 20 of a-z and 0-9, a letter first, as sitio1; or a CNPJ's 14 characters, in lower case"
        raise FarmError(farm, f"{want} and without punctuation")
    if farm in WORDS:
        raise FarmError(farm, f"is a word of the topics; choose another, as {farm[:19]}1")
    return farm


def root(farm: str) -> str:
    """What each of its topics begins with: `config.json` of its boards says so, too. Raises FarmError."""
    return DEFAULT if checked(farm) == DEFAULT else f"{DEFAULT}/{farm}"


def farm_of(a_root: str) -> str:
    """The farm of a root. Raises FarmError for what is none."""
    head, slash, farm = a_root.partition("/")
    if head != DEFAULT or farm == DEFAULT or (slash and not farm):
        raise FarmError(a_root, f"is no root of topics; want {DEFAULT}, or {DEFAULT}/ and the farm's id")
    return checked(farm or DEFAULT)


def gateway(farm: str, number: int) -> str:
    """The thing name of its n-th gateway."""
    return f"{farm}-gateway-{number}"


def compute(farm: str) -> str:
    """The thing name of its compute service."""
    return f"{farm}-compute"


def whose(thing: str) -> str:
    """The farm of a thing, by its name. What is not called as a farm's gateway or service is the default farm's."""
    name = re.fullmatch(_THING, thing)
    try:
        return checked(name[1]) if name else DEFAULT
    except FarmError:
        return DEFAULT


def is_service(thing: str) -> bool:
    """True if the name of the thing is that of a service, and of no board."""
    return thing.endswith(SERVICES)


def may_have(farm: str, thing: str) -> bool:
    """True if the farm may have a thing of this name: one after its id; the default farm any but another's."""
    return whose(thing) == farm or (farm != DEFAULT and thing.startswith(f"{farm}-"))


def add_option(parser: argparse.ArgumentParser) -> None:
    """`--farm`, checked."""
    parser.add_argument(
        "--farm",
        type=option,
        default=os.environ.get(SETTING, DEFAULT),
        metavar="ID",
        help=f"the farm; its things and topics are called after it (${SETTING}; {DEFAULT})",
    )


def option(text: str) -> str:
    """A farm id as an argument of a command line."""
    try:
        return checked(text)
    except FarmError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
