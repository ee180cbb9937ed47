"""Who asks, and what they may: see, operate, manage."""

import getpass
from collections.abc import Callable
from typing import Annotated, NamedTuple

from fastapi import Depends, Request

SEE, OPERATE, MANAGE = "see", "operate", "manage"


class Person(NamedTuple):
    """Whoever asks, by the name that the journal shows."""

    name: str
    role: str


def person_of(request: Request) -> Person:
    """Whoever asks; without users it is who runs the console, on this machine alone."""
    return Person(getpass.getuser(), MANAGE)


def at_least(role: str) -> Callable[[Request], Person]:
    """A dependency that lets pass who has a role, or more."""
    return person_of


Operator = Annotated[Person, Depends(at_least(OPERATE))]
Manager = Annotated[Person, Depends(at_least(MANAGE))]
