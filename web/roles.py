"""Who may do what: three roles, and one table of routes that a test can walk.

A route that stands in no row does not exist for anybody: what was forgotten is shut, not open.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from starlette.routing import compile_path

from web.errors import RequestError, RightsError


class Role(StrEnum):
    """What somebody may: each role may all that the one before it may."""

    SEE = "see"
    OPERATE = "operate"
    MANAGE = "manage"

    def may(self, needs: "Role") -> bool:
        """True if this role may what asks for that one."""
        return RANKS[self] >= RANKS[needs]


RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who asks: a user by number, a machine by its token's name, or whoever sits at this machine (`local`)."""

    name: str
    role: Role
    user_id: int | None = None
    is_machine: bool = False

    @property
    def by(self) -> str:
        """How a journal names them for ever: a user by number only, since names can be deleted."""
        return self.name if self.user_id is None else f"user {self.user_id}"


LOCAL = Person(name="local", role=Role.MANAGE)

# `METHOD /path/{parameter}` to the role it needs; None: for everybody, also before they log in.
RightsTable = Mapping[str, Role | None]


class _RightsRow(NamedTuple):
    method: str
    path: re.Pattern[str]
    needs: Role | None


class Rights:
    """The table of a server. Two rows for one path: the stricter one holds."""

    def __init__(self, table: RightsTable) -> None:
        self.table = dict(table)
        self._rows = [_row(key, needs) for key, needs in table.items()]

    def check(self, method: str, path: str, person: Person | None) -> None:
        """Raise RequestError 404, 405, 401 or 403 unless this person may."""
        rows = [row for row in self._rows if row.path.match(path)]
        if not rows:
            raise RequestError(404, f"there is no {path[:200]}")
        verb = "GET" if method == "HEAD" else method
        needs = [row.needs for row in rows if row.method == verb]
        if not needs:
            methods = ", ".join(sorted({row.method for row in rows}))
            raise RequestError(405, f"{path[:200]} knows no {method}, only {methods}", {"Allow": methods})
        strictest = max((one for one in needs if one is not None), key=RANKS.__getitem__, default=None)
        if strictest is None:
            return
        if person is None:
            raise RequestError(401, "log in first", {"WWW-Authenticate": "Bearer"})
        if not person.role.may(strictest):
            raise RequestError(403, f"this needs the role {strictest}; {person.name} has the role {person.role}")

    def check_routes(self, routes: Iterable[Any]) -> None:
        """Raise RightsError if the app has a route without a row, or the table a row without a route."""
        keys = set(route_keys(routes))
        problems = [f"{key} has no row in the table of rights" for key in sorted(keys - set(self.table))]
        problems += [f"{key} has no route" for key in sorted(set(self.table) - keys)]
        if problems:
            raise RightsError("; ".join(problems))


def route_keys(routes: Iterable[Any]) -> Iterator[str]:
    """`METHOD /path` of every route in an app's `routes`; a mount is `GET /mount/{path:path}`."""
    from fastapi.routing import iter_route_contexts  # noqa: PLC0415 - half a second that the guard itself needs not

    for route in iter_route_contexts(list(routes)):
        methods = route.methods
        if methods is None:
            yield f"GET {route.path}/{{path:path}}"
        else:
            yield from (f"{method} {route.path}" for method in sorted(methods) if method not in {"HEAD", "OPTIONS"})


def _row(key: str, needs: Role | None) -> _RightsRow:
    method, _, path = key.partition(" ")
    return _RightsRow(method, compile_path(path)[0], needs)
