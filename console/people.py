"""Logging in and out; and, for who manages, the users and the tokens of machines."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from console.errors import NotHereError
from console.house import PAGES, HeadDep, HouseDep, LanguageDep, PersonDep, house_of
from console.translation import sentence
from web import cookies
from web.answers import safe_goal
from web.errors import AccessError, AttemptsError, LoginError
from web.middleware import address_of, maybe_person_of, session_of
from web.roles import Role

router = APIRouter(include_in_schema=False)
LOGIN = "login"  # the cookie of a login that has begun
Short = Annotated[str, Form(max_length=200)]
Secret = Annotated[str, Form(max_length=1024)]


@router.get("/login")
def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002 - the address's own word
    """Where somebody says who they are."""
    if maybe_person_of(request) is not None:
        return RedirectResponse(safe_goal(next), 303)
    return _login_page(request, next, "")


@router.post("/login")
def log_in(  # noqa: PLR0913, PLR0917  # a form's fields
    request: Request,
    house: HouseDep,
    language: LanguageDep,
    name: Short,
    password: Secret,
    next: Short = "/",  # noqa: A002 - as above
) -> Response:
    """Begin a session; it hashes, so it has a thread of its own."""
    try:
        session = house.access.log_in(name, password, address_of(request), cookies.device_of(request, house.site))
    except LoginError as error:
        status = 429 if isinstance(error, AttemptsError) else 401
        page = _login_page(request, next, sentence(str(error), language), status)
        page.headers.update(error.headers)
        return page
    response = RedirectResponse(safe_goal(next), 303)
    cookies.give(response, house.site, session, house.wall_clock())
    return response


def _login_page(request: Request, goal: str, why: str, status: int = 200) -> HTMLResponse:
    return PAGES.show(
        request,
        "login.html",
        None,
        status_code=status,
        goal=safe_goal(goal),
        why=why,
        has_provider=house_of(request).login is not None,
    )


@router.get("/login/provider")
def begin_login(
    request: Request,
    house: HouseDep,
    language: LanguageDep,
    next: str = "/",  # noqa: A002 - as above
) -> Response:
    """To the identity provider; where that cannot be asked, back to the page that says so."""
    if house.login is None:
        raise NotHereError("no_provider")
    try:
        start = house.login.begin(safe_goal(next))
    except LoginError as error:
        return _login_page(request, next, sentence(str(error), language), 503)
    response = RedirectResponse(start.url, 303)
    cookies.put(response, house.site, LOGIN, start.cookie, start.seconds)
    return response


@router.get("/login/callback")
def finish_login(request: Request, house: HouseDep, language: LanguageDep) -> Response:
    """Back from the identity provider."""
    if house.login is None:
        raise NotHereError("no_provider")
    try:
        login = house.login.finish(
            dict(request.query_params), cookies.read(house.site, request.headers.get("cookie"), LOGIN)
        )
    except LoginError as error:
        return _login_page(request, "/", sentence(str(error), language), 401)
    response = RedirectResponse(login.goal, 303)
    cookies.give(response, house.site, login.session, house.wall_clock())
    cookies.put(response, house.site, LOGIN, "", 0)
    return response


@router.post("/logout")
def log_out(request: Request, house: HouseDep) -> Response:
    """End the session, here and in the table."""
    secret = session_of(request, house.site)
    if secret is not None:
        house.access.log_out(secret)
    response = RedirectResponse("/login", 303)
    cookies.drop(response, house.site)
    return response


@router.get("/people")
def people_page(request: Request, house: HouseDep, farm: HeadDep) -> HTMLResponse:
    """Who may come in."""
    return _people_page(request, house, farm)


def _people_page(
    request: Request, house: HouseDep, farm: HeadDep, *, error: str | None = None, secret: str | None = None
) -> HTMLResponse:
    return PAGES.show(
        request,
        "people.html",
        farm,
        status_code=422 if error else 200,
        users=house.access.users(),
        tokens=[token for token in house.access.tokens() if token.revoked_at is None],
        roles=list(Role),
        secret=secret,
        error=error,
    )


@router.post("/people")
def change_people(  # noqa: PLR0913, PLR0917  # a form's fields
    request: Request,
    house: HouseDep,
    farm: HeadDep,
    language: LanguageDep,
    person: PersonDep,
    what: Short,
    name: Short,
    password: Secret = "",
    role: Short = Role.SEE,
) -> Response:
    """Add, change or delete a user, or a token; what it says of a mistake stands on the page."""
    access, secret = house.access, None
    works: dict[str, Callable[[], object]] = {
        "add_user": lambda: access.add_user(name, password, Role(role)),
        "set_role": lambda: access.set_role(name, Role(role)),
        "set_password": lambda: access.set_password(name, password),
        "delete_user": lambda: access.delete_user(name),
        "add_token": lambda: access.add_token(name, Role(role)),
        "revoke_token": lambda: access.revoke_token(name),
    }
    try:
        if what not in works or role not in set(Role):
            raise AccessError(f"{what[:40]!r} cannot be done here")
        outcome = works[what]()
        secret = outcome if isinstance(outcome, str) else None
    except AccessError as error:
        return _people_page(request, house, farm, error=sentence(str(error), language))
    if what == "add_user" and person.user_id is None and not person.is_machine:
        return RedirectResponse("/login", 303)  # whoever sat here without a name has one now
    if secret is not None:
        return _people_page(request, house, farm, secret=secret)
    return RedirectResponse("/people", 303)
