"""What stands before every route: host, page, size, person, role; and the headers of whatever leaves."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from tests.web.site_under_test import BASE, OWN, PASSWORD, RIGHTS, Farm, running
from web import middleware
from web.attempts import MOST
from web.errors import RequestError, RightsError
from web.roles import Person, Rights, Role
from web.site import Site

ORDER: dict[str, Any] = {"json": {"minutes": 5}}
CHANGES = [key for key in RIGHTS if not key.startswith("GET ")]
HTML = {"accept": "text/html,application/xhtml+xml"}


def error_of(response: httpx.Response) -> str:
    """The sentence, and that there is nothing else."""
    document = response.json()
    assert list(document) == ["error"]
    return str(document["error"])


# Route by role

MAY: dict[str, set[str]] = {
    "nobody": set(),
    "see": {"see"},
    "operate": {"see", "operate"},
    "manage": {"see", "operate", "manage"},
}


@pytest.mark.parametrize("kind", ["session", "token"])
@pytest.mark.parametrize("who", list(MAY))
def test_route_by_role(farm: Farm, who: str, kind: str) -> None:
    """The whole matrix: every route of the table as every role, by session and by token, and as nobody."""
    for number, (key, needs) in enumerate(RIGHTS.items()):
        headers = credentials(farm, who, kind, f"{who}-{number}")
        method, _, path = key.partition(" ")
        status = farm.ask(method, path.replace("{order_id}", "o1"), headers=headers).status_code
        if needs is None or needs in MAY[who]:
            assert status not in {401, 403, 404, 405}, key
        else:
            assert status == (401 if who == "nobody" else 403), key
    assert "operate" in MAY[who] or not farm.orders


def credentials(farm: Farm, who: str, kind: str, token: str) -> dict[str, str]:
    if who == "nobody":
        return dict(OWN)
    if kind == "session":
        return farm.cookie_of(who)
    return {"authorization": f"Bearer {farm.access.add_token(token, Role(who))}"}


def test_a_refusal_says_what_is_missing(farm: Farm) -> None:
    """Who is it, which role have they, which one would do."""
    response = farm.ask("POST", "/api/v1/orders", headers=farm.cookie_of("see"), **ORDER)
    assert (response.status_code, error_of(response)) == (
        403,
        "this needs the role operate; see has the role see",
    )


def test_the_table_and_the_routes_are_one(farm: Farm) -> None:
    """A route without a row, or a row without a route, is named before the server starts."""
    Rights(RIGHTS).check_routes(farm.inner.routes)
    router = APIRouter(prefix="/api/v1")
    router.add_api_route("/zones/{zone}", lambda zone: zone, methods=["PUT"])
    farm.inner.include_router(router)
    farm.inner.mount("/static", PlainTextResponse("x"))
    with pytest.raises(RightsError) as problems:
        Rights({**RIGHTS, "GET /gone": None}).check_routes(farm.inner.routes)
    assert str(problems.value).split("; ") == [
        "GET /static/{path:path} has no row in the table of rights",
        "PUT /api/v1/zones/{zone} has no row in the table of rights",
        "GET /gone has no route",
    ]


def test_a_forgotten_route_is_shut(farm: Farm) -> None:
    """Not even a manager gets to a route that stands in no row."""

    @farm.inner.get("/forgotten")
    @farm.inner.put("/people")
    def forgotten() -> str:
        raise AssertionError("reached")

    headers = farm.cookie_of("manage")
    assert farm.ask("GET", "/forgotten", headers=headers).status_code == 404
    response = farm.ask("PUT", "/people", headers=headers)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    "path", ["/people/", "/people//", "/People", "/people/../people", "/%70eople%2f", "/people%00"]
)
def test_another_spelling_of_a_path_opens_nothing(farm: Farm, path: str) -> None:
    """What the table does not know by that name, nobody reaches by it."""
    assert farm.ask("GET", path, headers=farm.cookie_of("see")).status_code in {403, 404}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_rows_the_stricter_holds(order: int) -> None:
    """`/zones/new` is not opened by the row of `/zones/{zone}`, in whichever order they stand."""
    rows = [("GET /{page}/{zone}", None), ("GET /zones/{zone}", Role.SEE), ("GET /zones/new", Role.MANAGE)]
    rights, viewer = Rights(dict(rows[::order])), Person(name="ana", role=Role.SEE)
    rights.check("GET", "/pages/new", None)
    rights.check("GET", "/zones/plot-1a", viewer)
    with pytest.raises(RequestError, match="needs the role manage; ana has the role see"):
        rights.check("GET", "/zones/new", viewer)


# Whose page


@pytest.mark.parametrize("key", CHANGES)
@pytest.mark.parametrize(
    "origin",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:8081"},
        {"origin": "https://127.0.0.1"},
        {"origin": f"{BASE}.evil.example"},
        {"origin": BASE, "sec-fetch-site": "cross-site"},
        {"origin": BASE, "sec-fetch-site": "same-site"},
        {"referer": f"{BASE}/"},
    ],
)
def test_a_cookie_without_the_own_origin_changes_nothing(farm: Farm, key: str, origin: dict[str, str]) -> None:
    """A stolen cookie, or another site's form in the same browser, is refused on every route that changes something."""
    method, _, path = key.partition(" ")
    cookie = farm.cookie_of("manage")["cookie"]
    response = farm.ask(method, path.replace("{order_id}", "o"), headers={"cookie": cookie, **origin}, **ORDER)
    assert response.status_code == 403
    assert "Origin" in error_of(response) or "another site" in error_of(response)
    assert farm.orders == []
    assert farm.ask("GET", "/api/v1/me", headers={"cookie": cookie}).status_code == 200


def test_a_browsers_own_request_passes(farm: Farm) -> None:
    """By script or form: with the page's origin, under whichever name of this machine it was opened."""
    cookie = farm.cookie_of("operate")["cookie"]
    for base in (BASE, "http://localhost:8080", "http://[::1]:9"):
        headers = {"cookie": cookie, "origin": base, "sec-fetch-site": "same-origin"}
        response = farm.ask("POST", "/api/v1/orders", base=base, headers=headers, **ORDER)
        assert response.status_code == 200, response.text


def test_a_machine_needs_no_origin(farm: Farm) -> None:
    """Its token is sent by no browser on its own."""
    token = farm.access.add_token("bridge", Role.OPERATE)
    response = farm.ask("POST", "/api/v1/orders", headers={"authorization": f"bearer {token}"}, **ORDER)
    assert response.status_code == 200
    assert farm.orders == ["bridge"]


@pytest.mark.parametrize("scheme", ["Bearer x", "Bearer ", "Bearer", "Basic eDp5"])
def test_a_token_beside_a_cookie_does_not_lend_it_its_exemption(farm: Farm, scheme: str) -> None:
    """A wrong token with a stolen cookie opens nothing, and so does another kind of Authorization."""
    headers = {"cookie": farm.cookie_of("manage")["cookie"], "authorization": scheme}
    response = farm.ask("POST", "/api/v1/orders", headers=headers, **ORDER)
    assert response.status_code in {401, 403}
    assert farm.orders == []


def test_a_revoked_token_orders_nothing(farm: Farm) -> None:
    """From the next request on."""
    headers = {"authorization": f"Bearer {farm.access.add_token('bridge', Role.OPERATE)}"}
    assert farm.ask("POST", "/api/v1/orders", headers=headers, **ORDER).status_code == 200
    farm.access.revoke_token("bridge")
    assert farm.ask("POST", "/api/v1/orders", headers=headers, **ORDER).status_code == 401
    assert farm.orders == ["bridge"]


def test_an_ended_session_changes_nothing(farm: Farm) -> None:
    """Logged out here, its cookie is worth nothing elsewhere either."""
    headers = farm.cookie_of("operate")
    stolen = dict(headers)
    response = farm.ask("POST", "/logout", headers=headers)
    assert 'session=""' in response.headers["set-cookie"]
    assert farm.ask("POST", "/api/v1/orders", headers=stolen, **ORDER).status_code == 401
    assert farm.orders == []


# Whose host


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "0.0.0.0", "[::1"])
def test_a_rebound_name_reads_nothing(farm: Farm, host: str) -> None:
    """A stranger's name that was made to point here is not answered, not even for its own page."""
    response = farm.ask("GET", "/login", headers={"host": host})
    assert response.status_code == 421
    assert "own address" in error_of(response)


def test_behind_a_proxy_the_public_name_holds(tmp_path: Path) -> None:
    """`--origin` is the name and the scheme; another name is another site; a health check may use loopback."""
    farm = Farm(tmp_path, Site(origin="https://farm.example", is_tls=True, is_loopback=False))
    farm.access.add_user("operate", PASSWORD, Role.OPERATE)
    form, own = {"name": "operate", "password": PASSWORD}, {"origin": "https://farm.example"}
    login = farm.ask("POST", "/login", base="http://farm.example", headers=own, data=form)
    assert login.headers["set-cookie"].startswith("__Host-session=")
    headers = {"cookie": login.headers["set-cookie"].split(";")[0]}
    for origin, status in {"https://farm.example": 200, "https://other.example": 403}.items():
        response = farm.ask(
            "POST", "/api/v1/orders", base="http://farm.example", headers={**headers, "origin": origin}, **ORDER
        )
        assert response.status_code == status
    assert farm.ask("GET", "/login", base="http://farm.example:81").status_code == 421
    assert farm.ask("GET", "/login").status_code == 200
    farm.access.close()


# Who, without users


def test_without_users_this_machine_may_everything(tmp_path: Path) -> None:
    """Who sits here steers, as `local`; the first user ends that at once, and the last one's deletion renews it."""
    farm = Farm(tmp_path)
    assert farm.ask("POST", "/api/v1/orders", headers=OWN, **ORDER).status_code == 200
    assert farm.orders == ["local"]
    farm.access.add_user("ana", PASSWORD, Role.SEE)
    assert farm.ask("POST", "/api/v1/orders", headers=OWN, **ORDER).status_code == 401
    farm.access.delete_user("ana")
    assert farm.ask("POST", "/api/v1/orders", headers=OWN, **ORDER).status_code == 200
    farm.access.close()


@pytest.mark.parametrize(
    ("site", "request_parts"),
    [
        (Site(is_loopback=False), {}),
        (Site(), {"client": ("192.0.2.7", 5000)}),
        (Site(), {"headers": {"x-forwarded-for": "192.0.2.7"}}),
        (Site(), {"headers": {"forwarded": "for=192.0.2.7"}}),
        (Site(), {"headers": {"authorization": "Bearer wrong"}}),
    ],
)
def test_without_users_nobody_else_may(tmp_path: Path, site: Site, request_parts: dict[str, Any]) -> None:
    """Not on another address, not from elsewhere, not through a proxy that nobody spoke of, not with a wrong token."""
    farm = Farm(tmp_path, site)
    assert farm.ask("GET", "/api/v1/me", **request_parts).status_code == 401
    farm.access.close()


def test_another_sites_page_orders_nothing_without_users(tmp_path: Path) -> None:
    """The open door of a demonstration is not open to whatever page the same browser shows."""
    farm = Farm(tmp_path)
    headers = {"origin": "https://evil.example", "content-type": "text/plain"}
    assert farm.ask("POST", "/api/v1/orders", headers=headers, content='{"minutes": 5}').status_code == 403
    assert farm.orders == []
    farm.access.close()


# How much


def chunks(count: int) -> Any:
    async def body() -> Any:
        for _ in range(count):
            yield b" " * 2**16

    return body()


@pytest.mark.parametrize(
    "length", [{}, {"content-length": "5"}, {"content-length": "-1"}, {"content-length": "9" * 30}]
)
def test_a_body_has_a_limit(farm: Farm, length: dict[str, str]) -> None:
    """With its length told, told wrongly or not at all: too much is refused with the limit, and nothing is ordered."""
    token = farm.access.add_token("bridge", Role.OPERATE)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", **length}
    response = farm.ask("POST", "/api/v1/orders", headers=headers, content=chunks(20))
    assert (response.status_code, error_of(response)) == (413, "the request is too large: at most 1048576 bytes")
    assert farm.orders == []


def test_a_body_that_announces_too_much_is_not_awaited(farm: Farm) -> None:
    """It is refused by its length alone, before a byte of it has come."""
    token = farm.access.add_token("bridge", Role.OPERATE)
    headers = {"authorization": f"Bearer {token}", "content-length": str(2**20 + 1)}
    assert farm.ask("POST", "/api/v1/orders", headers=headers).status_code == 413


def test_a_body_below_the_limit_passes(farm: Farm) -> None:
    """A large one too."""
    token = farm.access.add_token("bridge", Role.OPERATE)
    body = b'{"minutes": 5' + b" " * (2**20 - 14) + b"}"
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    assert farm.ask("POST", "/api/v1/orders", headers=headers, content=body).status_code == 200


# What leaves


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/", 405),
        ("GET", "/people", 403),
        ("GET", "/api/v1/broken", 500),
        ("POST", "/api/v1/orders", 403),
    ],
)
def test_every_answer_carries_the_headers(farm: Farm, method: str, path: str, status: int) -> None:
    """Also errors, and also the error that nobody foresaw."""
    headers = farm.ask(method, path, headers=farm.cookie_of("see"), **({"json": {}} if method == "POST" else {}))
    assert headers.status_code == status
    policy = headers.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers.headers["x-content-type-options"] == "nosniff"
    assert headers.headers["referrer-policy"] == "same-origin"
    assert headers.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers.headers
    assert "server" not in headers.headers


def test_over_tls_the_cookie_is_bound_to_the_host(tmp_path: Path) -> None:
    """`__Host-`, Secure, HttpOnly, Lax, for the whole host and no neighbour; and HSTS, which plain HTTP never sends."""
    farm = Farm(tmp_path, Site(is_tls=True, is_loopback=False))
    farm.access.add_user("see", PASSWORD, Role.SEE)
    own = {"origin": "https://farm.lan:8443"}
    response = farm.log_in("see", base="https://farm.lan:8443", headers=own)
    cookies = response.headers.get_list("set-cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == ["__Host-session", "__Host-session_device"]
    for cookie in cookies:
        parts = {part.strip().partition("=")[0].lower() for part in cookie.split(";")[1:]}
        assert parts == {"httponly", "max-age", "path", "samesite", "secure"}
    assert "SameSite=lax" in cookie
    assert response.headers["strict-transport-security"].startswith("max-age=")
    plain = {"cookie": cookie.split(";")[0].removeprefix("__Host-")}
    assert farm.ask("GET", "/api/v1/me", base="https://farm.lan:8443", headers=plain).status_code == 401
    farm.access.close()


def test_on_loopback_the_cookie_has_a_plain_name(farm: Farm) -> None:
    """A browser keeps no Secure cookie of plain HTTP everywhere; no script reads it there either."""
    cookie = farm.log_in("see").headers["set-cookie"]
    assert cookie.startswith("session=")
    assert "HttpOnly" in cookie
    assert "Secure" not in cookie


def test_a_login_never_keeps_a_session_that_was_there(farm: Farm) -> None:
    """A secret that somebody else put into the browser does not become the user's session."""
    first = farm.cookie_of("see")
    response = farm.log_in("manage", headers={**OWN, "cookie": first["cookie"]})
    assert response.headers["set-cookie"].split(";")[0] != first["cookie"]


# How errors are told


def test_a_program_gets_json_and_a_person_a_page(farm: Farm) -> None:
    """The same sentence, as whoever asked can read it; a browser that must log in is led there, and comes back."""
    headers = farm.cookie_of("see")
    assert error_of(farm.ask("GET", "/people", headers=headers)).startswith("this needs the role manage")
    page = farm.ask("GET", "/people", headers={**headers, **HTML})
    assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "this needs the role manage" in page.text
    assert (
        farm.ask("GET", "/api/v1/orders/x", headers={**headers, **HTML}).headers["content-type"] == "application/json"
    )
    login = farm.ask("GET", "/people?page=2&sort=a", headers=HTML)
    assert (login.status_code, login.headers["location"]) == (303, "/login?next=%2Fpeople%3Fpage%3D2%26sort%3Da")
    assert farm.ask("POST", "/people", headers={**OWN, **HTML}).headers["location"] == "/login"


@pytest.mark.parametrize(
    ("goal", "place"),
    [
        ("/people?page=2", "/people?page=2"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\nb", "/"),
        ("", "/"),
        ("/x\\..//evil", "/"),
    ],
)
def test_a_login_leads_nowhere_else(farm: Farm, goal: str, place: str) -> None:
    """A link with `next` cannot send somebody who has just logged in to another site."""
    form = {"name": "see", "password": PASSWORD, "next": goal}
    assert farm.ask("POST", "/login", headers=OWN, data=form).headers["location"] == place


def test_too_many_attempts_are_told(farm: Farm) -> None:
    """In one sentence, with the time to wait in words and as a header."""
    for _ in range(MOST):
        response = farm.log_in("see", "a wrong password")
        assert (response.status_code, error_of(response)) == (401, "name and password do not fit")
    response = farm.log_in("see")
    assert (response.status_code, response.headers["retry-after"]) == (429, "60")
    assert error_of(response) == "too many attempts to log in; try again in 60 s"
    assert "set-cookie" not in response.headers


def test_a_mistake_in_a_request_is_told(farm: Farm) -> None:
    """Which field, and what is wrong with it; nothing is ordered."""
    headers = farm.cookie_of("operate")
    for body, sentence in {
        '{"minutes": -1}': "minutes: Input should be greater than 0",
        "{}": "minutes: Field required",
        '{"minutes"': "JSON decode error",
        "\ud800".encode("utf-8", "surrogatepass"): "JSON decode error",
    }.items():
        response = farm.ask(
            "POST", "/api/v1/orders", headers={**headers, "content-type": "application/json"}, content=body
        )
        assert response.status_code in {400, 422}
        assert sentence in error_of(response)
    assert farm.orders == []


def test_an_error_of_ours_tells_no_secret(farm: Farm) -> None:
    """The log has the traceback; the answer has a sentence."""
    response = farm.ask("GET", "/api/v1/broken", headers=farm.cookie_of("see"))
    assert response.status_code == 500
    assert "log says what" in error_of(response)
    assert "sda1" not in response.text


def test_a_broken_file_of_users_lets_nobody_in(farm: Farm, tmp_path: Path) -> None:
    """The server says that it cannot look, and takes nobody for anybody."""
    headers = farm.cookie_of("manage")
    farm.access.close()
    with pytest.raises(Exception, match="closed"):
        farm.access.users()
    assert farm.ask("GET", "/people", headers=headers).status_code == 500


def test_no_web_socket_is_opened(farm: Farm) -> None:
    """There is none in the house, so none gets past the checks either."""
    messages: list[Any] = []

    async def one() -> None:
        async def send(message: Any) -> None:
            messages.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        await farm.app({"type": "websocket", "path": "/", "headers": []}, receive, send)

    asyncio.run(one())
    assert messages == [{"type": "websocket.close", "code": 1008}]


def test_it_holds_on_a_real_server(farm: Farm) -> None:
    """The same over TCP: log in, order, log out, and the cookie is worth nothing any more."""
    with running(farm.app) as address, httpx.Client(base_url=address, headers={"origin": address}) as browser:
        assert browser.get("/").status_code == 401
        assert browser.post("/login", data={"name": "operate", "password": PASSWORD}).status_code == 303
        assert browser.post("/api/v1/orders", **ORDER).json() == {"minutes": 5}
        cookies = dict(browser.cookies)
        assert browser.post("/logout").headers["location"] == "/login"
        browser.cookies.update(cookies)
        assert browser.post("/api/v1/orders", **ORDER).status_code == 401
    assert json.dumps(farm.orders) == f'["user {farm.access.user("operate").user_id}"]'


def test_a_mount_is_guarded_as_a_route(farm: Farm) -> None:
    """Files of a page are open or shut by their row too."""
    app = Starlette(routes=[Mount("/static", PlainTextResponse("x")), Mount("/hidden", PlainTextResponse("x"))])
    rights = Rights({"GET /static/{path:path}": None, "GET /hidden/{path:path}": Role.MANAGE})
    rights.check_routes(app.routes)
    farm.app = middleware.protect(app, farm.site, farm.access, rights)
    assert farm.ask("GET", "/static/a/b.js").text == "x"
    assert farm.ask("GET", "/hidden/a/b.js").status_code == 401
    assert farm.ask("POST", "/static/a/b.js", headers=OWN).status_code == 405


def test_an_app_without_users_pages_still_answers(tmp_path: Path) -> None:
    """Without a page of its own a server tells people too in JSON."""
    farm = Farm(tmp_path, Site(login_path=None))
    farm.access.add_user("see", PASSWORD, Role.SEE)
    assert error_of(farm.ask("GET", "/", headers=HTML)) == "log in first"
    assert isinstance(farm.inner, FastAPI)
    farm.access.close()
