"""What every page needs: the store, the language of whoever asks, who that is, and how a template becomes a page."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import unquote

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.plans import PlanMemo
from console import news, rows, translation
from console.farm_now import FarmNow, look
from console.languages import LANGUAGES, language_of
from views.language import Language
from web import cookies, events
from web.access import Access
from web.middleware import maybe_person_of, person_of
from web.oidc import Login
from web.roles import Person, Role
from web.site import Site

HERE = Path(__file__).parent
STATIC = HERE / "static"
COMPLAINT = "said"  # a cookie: what is wrong with an order, for the page that comes next
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, kw_only=True)
class House:
    """The farm's store, who may come in and how, the world's clock (Unix s), and the zones file if it is edited here.

    `login` is with an identity provider, if there is one; `plans` are kept until something changes them. So long,
    `wait_s`, a form waits for the service to take its order before the page is shown.
    """

    store: Path
    access: Access
    site: Site
    wall_clock: Callable[[], float]
    zones_file: Path | None = None
    login: Login | None = None
    wait_s: float = 1.0
    plans: PlanMemo = field(default_factory=dict)

    def writer(self) -> "closing[SqliteStore]":
        """The store to write an order into."""
        return closing(SqliteStore(self.store, must_exist=True))


def house_of(request: Request) -> House:
    """The one that the application was made with."""
    house: House = request.app.state.house
    return house


def reader_of(house: Annotated[House, Depends(house_of)]) -> Iterator[SqliteStore]:
    """The store as it is now, for the time of one request."""
    with closing(SqliteStore.reader(house.store)) as store:
        yield store


ReaderDep = Annotated[SqliteStore, Depends(reader_of)]
HouseDep = Annotated[House, Depends(house_of)]
LanguageDep = Annotated[Language, Depends(language_of)]
PersonDep = Annotated[Person, Depends(person_of)]


def farm_of(house: HouseDep, store: ReaderDep) -> FarmNow:
    """How the whole farm stands."""
    return look(store, house.wall_clock(), names=house.access.names(), plans=house.plans)


def head_of(house: HouseDep, store: ReaderDep) -> FarmNow:
    """How the farm stands, without its zones: what the head of every page says."""
    return look(store, house.wall_clock(), (), names=house.access.names())


FarmDep = Annotated[FarmNow, Depends(farm_of)]
HeadDep = Annotated[FarmNow, Depends(head_of)]


class Place(NamedTuple):
    """A page of the bar: its address, the key of its word, and the role that sees it."""

    address: str
    word: str
    needs: Role


PLACES = (
    Place("/", "place_farm", Role.SEE),
    Place("/timeline", "place_timeline", Role.SEE),
    Place("/gateways", "place_gateways", Role.SEE),
    Place("/alarms", "place_alarms", Role.SEE),
    Place("/water", "place_water", Role.SEE),
    Place("/settings", "place_settings", Role.MANAGE),
    Place("/people", "place_people", Role.MANAGE),
)


class Pages:
    """Templates that become pages."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.versions = {
            path.relative_to(STATIC).as_posix(): sha256(path.read_bytes()).hexdigest()[:12]
            for path in STATIC.rglob("*")
            if path.is_file()
        }

    def show(
        self, request: Request, name: str, farm: FarmNow | None, *, status_code: int = 200, **more: Any
    ) -> HTMLResponse:
        """A page in the language of whoever asks; `farm` None where nothing can be read of it."""
        language, house, person = language_of(request), house_of(request), maybe_person_of(request)
        theme = request.cookies.get("theme", THEMES[0])
        places = {
            "language": language,
            "languages": LANGUAGES,
            "say": language.say,
            "theme": theme if theme in THEMES else THEMES[0],
            "themes": THEMES,
            "farm": farm,
            "path": request.url.path,
            "places": [(place.address, place.word) for place in PLACES if person and person.role.may(place.needs)],
            "static": self.static,
            "key": secrets.token_urlsafe(12),
            "rows": rows,
            "news": news,
            "translated": lambda text: translation.sentence(text, language),
            "error": None,
            "order": None,
            "may_operate": person is not None and person.role.may(Role.OPERATE),
            "may_manage": person is not None and person.role.may(Role.MANAGE),
            "user_name": person.name if person and person.user_id is not None else None,
            "is_signed_in": person is not None,
            "site": house.site,
            "ping_s": events.PING_S,
            **more,
        }
        complaint = (
            cookies.read(house.site, request.headers.get("cookie"), COMPLAINT) if request.method == "GET" else None
        )
        if complaint:
            places["error"] = unquote(complaint)
        text = self._templates.get_template(name).render(places)
        response = HTMLResponse(text, status_code=status_code, headers={"Vary": "Cookie, Accept-Language"})
        if complaint:
            cookies.put(response, house.site, COMPLAINT, "", 0)
        return response

    def static(self, name: str) -> str:
        """The address of a static file, which changes with what is in it."""
        return f"/static/{name}?v={self.versions[name]}"


PAGES = Pages()
