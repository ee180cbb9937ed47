"""The application: pages, forms, API and stream behind the checks of `web`, each route in one table of rights."""

from contextlib import closing
from functools import partial

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Scope

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.errors import AlarmError, ComputeError, ConfigError, OrderError, SettingsError
from console import alarms, api, forms, metrics, pages, people, settings, translation, water
from console.errors import FormError, NotHereError
from console.farm_now import FarmNow, look
from console.house import PAGES, STATIC, House
from console.languages import LANGUAGES, language_of
from console.rights import RIGHTS
from console.stream import JournalEvents, fold, is_urgent
from web import answers
from web.events import Hub, Rhythm
from web.middleware import protect, still_may
from web.roles import Rights

ROUTERS = (
    pages.router,
    alarms.router,
    water.router,
    settings.router,
    people.router,
    forms.router,
    api.router,
    settings.api,
    alarms.api,
    metrics.router,
)


STATUSES = {OrderError: 409, SettingsError: 409, ConfigError: 422, AlarmError: 404}


class VersionedFiles(StaticFiles):
    """Files whose address tells what is in them (`Pages.static`): a browser asks for each one only once.

    So a page has its script, and says that the line is lost, even if the console ends while the page comes.
    """

    def __init__(self) -> None:
        super().__init__(directory=STATIC)
        self._addresses = {PAGES.static(name) for name in PAGES.versions}

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, to be kept for ever if it was asked for by what is in it now."""
        response = await super().get_response(path, scope)
        if f"{scope['path']}?{scope['query_string'].decode('latin-1')}" in self._addresses:
            response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        return response


def make_app(house: House) -> ASGIApp:
    """The console of one farm, ready to be served."""
    app = FastAPI(
        title="PythoFlow console", version="1", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json"
    )
    app.state.house = house
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", VersionedFiles())
    _add_stream(app, house)
    answers.install(app, house.site)
    app.add_exception_handler(ComputeError, _by_service)
    app.add_exception_handler(FormError, _by_form)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    rights = Rights(RIGHTS)
    rights.check_routes(app.routes)
    return protect(app, house.site, house.access, rights)


def error_page(house: House, request: Request, status: int, sentence: str) -> Response:
    """A page of a status and a sentence."""
    request.scope.setdefault("app", _Bare(house))
    return PAGES.show(
        request,
        "error.html",
        _head(house),
        status_code=status,
        sentence=translation.sentence(sentence, language_of(request)),
    )


class _Bare:
    """What stands for the application where an error comes before it."""

    def __init__(self, house: House) -> None:
        self.state = self
        self.house = house


def _head(house: House) -> FarmNow | None:
    """The farm for the head of a page, if anything can be read of it."""
    try:
        with closing(SqliteStore.reader(house.store)) as store:
            return look(store, house.wall_clock(), (), house.access.names())
    except ComputeError:
        return None


def _add_stream(app: FastAPI, house: House) -> None:
    def source(code: str) -> JournalEvents:
        reader = partial(SqliteStore.reader, house.store)
        return JournalEvents(reader, house.wall_clock, house.access.names, LANGUAGES[code], house.plans)

    hubs = {code: Hub(source(code), fold=fold, rhythm=Rhythm(is_urgent=is_urgent)) for code in LANGUAGES}

    @app.get("/events", include_in_schema=False)
    def events(request: Request) -> Response:
        """What happens from now on, or after the number that was heard last."""
        hub = hubs[language_of(request).code]
        return hub.response(request, partial(still_may, request, house.site, house.access))


def _by_service(request: Request, error: Exception) -> Response:
    """The store cannot be read, or an order cannot be."""
    house: House = request.app.state.house
    status = next((number for kind, number in STATUSES.items() if isinstance(error, kind)), 503)
    return answers.answer(request, house.site, status, str(error), {})


def _by_form(request: Request, error: Exception) -> Response:
    assert isinstance(error, FormError)
    house: House = request.app.state.house
    status = 404 if isinstance(error, NotHereError) else 422
    is_page = answers.wants_page(request)
    language = language_of(request) if is_page else LANGUAGES["en"]
    sentence = language.say(error.key, **error.places)
    if is_page:
        return error_page(house, request, status, sentence)
    return JSONResponse({"error": sentence}, status)
