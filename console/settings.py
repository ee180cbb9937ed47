"""The settings: the zones file as a form, the difference before it is saved, and who changed it when."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Form, Header, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field

from compute_service import settings
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import JournalRow
from compute_service.errors import ComputeError, ConfigError, SettingsError
from compute_service.settings import Document, Edit
from console import zones_form
from console.answers import ERRORS
from console.errors import FormError, NotHereError
from console.farm_now import FarmNow
from console.house import PAGES, HeadDep, House, HouseDep, LanguageDep, PersonDep, ReaderDep
from console.pages import ZoneId

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", responses=ERRORS)
HISTORY = 20
MOST_CHARACTERS = 500_000
Text = Annotated[str, Form(max_length=MOST_CHARACTERS)]
Short = Annotated[str, Form(max_length=100)]


class Line(NamedTuple):
    """A line of a difference: `ins`, `del`, or `span` for what stays."""

    tag: str
    text: str


class Version(NamedTuple):
    """A change of the settings: when, by whom (empty: in the file itself), how it ended, and what was other."""

    at: int
    by: str
    state: str
    mistakes: tuple[str, ...]
    lines: tuple[Line, ...]


def document_of(house: House) -> Document:
    """The zones file. Raises NotHereError where this console has none."""
    if house.zones_file is None:
        raise NotHereError("no_zones_file")
    return settings.read(house.zones_file)


@router.get("/settings")
def settings_page(request: Request, house: HouseDep, store: ReaderDep, farm: HeadDep) -> HTMLResponse:
    """The farm's own fields, its zones, and what was changed."""
    if house.zones_file is None:
        return PAGES.show(request, "settings_none.html", farm)
    return _form(request, house, farm, store, None)


@router.get("/settings/zones/{zone_id}")
def zone_settings_page(
    request: Request, house: HouseDep, store: ReaderDep, farm: HeadDep, zone_id: ZoneId
) -> HTMLResponse:
    """A zone's fields."""
    return _form(request, house, farm, store, zone_id)


@router.get("/settings/text")
def text_page(request: Request, house: HouseDep, farm: HeadDep) -> HTMLResponse:
    """The whole file, for what has no field: zones to add, probes, comments."""
    document = document_of(house)
    return PAGES.show(request, "settings_text.html", farm, document=document, text=document.text, mistakes=())


@router.post("/settings/check")
async def check_page(request: Request, house: HouseDep, farm: HeadDep) -> HTMLResponse:
    """What would be another line, and whether the service would take it."""
    form = {name: str(value)[:MOST_CHARACTERS] for name, value in (await request.form()).items()}
    document = document_of(house)
    is_whole = "text" in form
    zone_id = form.get("zone_id") or None
    text = form["text"].replace("\r\n", "\n") if is_whole else zones_form.changed(document.text, zone_id, form)
    mistakes = _mistakes(document, text)
    if is_whole and mistakes:
        return PAGES.show(
            request, "settings_text.html", farm, status_code=422, document=document, text=text, mistakes=mistakes
        )
    return PAGES.show(
        request,
        "settings_check.html",
        farm,
        status_code=422 if mistakes else 200,
        document=document,
        digest=form.get("digest", document.digest),
        text=text,
        mistakes=mistakes,
        lines=list(difference(document.text, text)),
        zone_id=zone_id,
        is_whole=is_whole,
    )


@router.post("/settings")
def save(  # noqa: PLR0913, PLR0917  # a form's fields
    request: Request,
    house: HouseDep,
    farm: HeadDep,
    language: LanguageDep,
    person: PersonDep,
    text: Text,
    digest: Short,
) -> Response:
    """Put the checked text in the file's place."""
    document = document_of(house)
    edit = Edit(text=text.replace("\r\n", "\n"), digest=digest, by=person.by, via="page", at=farm.now)
    try:
        with house.writer() as store:
            settings.edit(store, document.path, edit)
    except SettingsError:
        return PAGES.show(
            request,
            "settings_text.html",
            farm,
            status_code=409,
            document=document,
            text=document.text,
            mistakes=(),
            error=language.say("changed_meanwhile"),
        )
    except ConfigError as error:
        return PAGES.show(
            request, "settings_text.html", farm, status_code=422, document=document, text=text, mistakes=error.mistakes
        )
    return RedirectResponse("/settings", 303)


class SettingsAnswer(BaseModel):
    """The zones file; its digest is the ETag too."""

    digest: str
    text: str


class SettingsWish(BaseModel):
    """Another text for the zones file."""

    text: str = Field(max_length=MOST_CHARACTERS)


class CheckAnswer(BaseModel):
    """What is wrong with a text, line by line; nothing if it may be saved."""

    mistakes: list[str]


@api.get("/settings")
def read_settings(house: HouseDep, response: Response) -> SettingsAnswer:
    """The zones file as it is."""
    document = document_of(house)
    response.headers["ETag"] = f'"{document.digest}"'
    return SettingsAnswer(digest=document.digest, text=document.text)


@api.post("/settings/check")
def check_settings(house: HouseDep, wish: SettingsWish) -> CheckAnswer:
    """Whether the service would take a text."""
    return CheckAnswer(mistakes=list(_mistakes(document_of(house), wish.text)))


@api.put("/settings", responses={428: ERRORS[422]})
def put_settings(  # noqa: PLR0913, PLR0917  # a request's parts
    house: HouseDep,
    farm: HeadDep,
    person: PersonDep,
    response: Response,
    wish: SettingsWish,
    if_match: Annotated[str, Header(max_length=100)],
) -> SettingsAnswer:
    """Put a text in the file's place, if that is still the one of `If-Match`."""
    document = document_of(house)
    digest = if_match.strip().removeprefix("W/").strip('"')
    edit = Edit(text=wish.text, digest=digest, by=person.by, via="api", at=farm.now)
    with house.writer() as store:
        saved_document = settings.edit(store, document.path, edit)
    response.headers["ETag"] = f'"{saved_document.digest}"'
    return SettingsAnswer(digest=saved_document.digest, text=saved_document.text)


def difference(before: str, after: str) -> Iterator[Line]:
    """The lines that are other, each with two of its surroundings."""
    for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm=""))[2:]:
        tag = {"+": "ins", "-": "del"}.get(line[:1], "span")
        yield Line(tag, line if line.startswith("@@") else line[:1] + " " + line[1:])


def history(store: SqliteStore) -> list[Version]:
    """The last changes, the newest first; each beside the text before it."""
    rows = store.journal.last(3 * HISTORY, (settings.KIND,))
    return list(reversed(list(_versions(rows))))[:HISTORY]


def _versions(rows: list[JournalRow]) -> Iterator[Version]:
    text_before: str | None = None
    saved_digests: set[str] = set()
    for row in rows:
        body: Mapping[str, Any] = row["body"]
        if body["state"] == settings.LOAD and body["digest"] in saved_digests:
            continue  # somebody saved it here, and the service has it now
        text = str(body.get("text") or "")
        lines = tuple(difference(text_before, text)) if text_before is not None else ()
        yield Version(row["at"], str(body.get("by") or ""), body["state"], tuple(body.get("mistakes", ())), lines)
        text_before = text
        if body["state"] == settings.SAVE:
            saved_digests.add(body["digest"])


def _mistakes(document: Document, text: str) -> tuple[str, ...]:
    try:
        settings.check(document.path, text)
    except ConfigError as error:
        return tuple(error.mistakes)
    except (ComputeError, ValueError) as error:
        return (str(error),)
    return ()


def _form(request: Request, house: House, farm: FarmNow, store: SqliteStore, zone_id: str | None) -> HTMLResponse:
    document = document_of(house)
    try:
        values, zone_ids = zones_form.values(document.text, zone_id), zones_form.zone_ids(document.text)
    except FormError as error:
        if zone_id is not None and error.key == "no_zone":
            raise NotHereError(error.key, **error.places) from error
        raise
    return PAGES.show(
        request,
        "settings.html",
        farm,
        document=document,
        zone_id=zone_id,
        fields=zones_form.FARM if zone_id is None else zones_form.ZONE,
        values=values,
        zone_ids=zone_ids,
        versions=history(store) if zone_id is None else [],
    )
