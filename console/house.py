"""What every page needs: the store, the language of whoever asks, who that is, and how a template becomes a page."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from compute_service.adapters.sqlite.store import SqliteStore
from console import news, rows, translation
from console.farm_now import FarmNow, look
from console.languages import LANGUAGES, language_of
from views.language import Language

HERE = Path(__file__).parent
STATIC = HERE / "static"
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, kw_only=True)
class House:
    """The farm's store, its zones file if people may edit it here, the world's clock, and how many seconds to wait.

    `wait_s`: so long a form waits for the service to take its order before the page is shown.
    """

    store: Path
    zones_file: Path | None
    wall_clock: Callable[[], float]
    wait_s: float = 1.0

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


def farm_of(house: HouseDep, store: ReaderDep) -> FarmNow:
    """How the whole farm stands."""
    return look(store, house.wall_clock())


def head_of(house: HouseDep, store: ReaderDep) -> FarmNow:
    """How the farm stands, without its zones: what the head of every page says."""
    return look(store, house.wall_clock(), ())


FarmDep = Annotated[FarmNow, Depends(farm_of)]
HeadDep = Annotated[FarmNow, Depends(head_of)]


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
        self._versions = {
            path.relative_to(STATIC).as_posix(): sha256(path.read_bytes()).hexdigest()[:12]
            for path in STATIC.rglob("*")
            if path.is_file()
        }

    def show(
        self, request: Request, name: str, farm: FarmNow | None, *, status_code: int = 200, **more: Any
    ) -> HTMLResponse:
        """A page in the language of whoever asks; `farm` None where nothing can be read of it."""
        language = language_of(request)
        theme = request.cookies.get("theme", "auto")
        places = {
            "language": language,
            "languages": LANGUAGES,
            "say": language.say,
            "theme": theme if theme in THEMES else "auto",
            "themes": THEMES,
            "farm": farm,
            "path": request.url.path,
            "static": self.static,
            "key": secrets.token_urlsafe(12),
            "rows": rows,
            "news": news,
            "translated": lambda text: translation.sentence(text, language),
            "error": None,
            "order": None,
            **request.app.state.more_for_pages(request),
            **more,
        }
        text = self._templates.get_template(name).render(places)
        return HTMLResponse(text, status_code=status_code, headers={"Vary": "Cookie, Accept-Language"})

    def static(self, name: str) -> str:
        """The address of a static file, which changes with what is in it."""
        return f"/static/{name}?v={self._versions[name]}"


PAGES = Pages()
