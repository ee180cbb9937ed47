"""A small server with a route of every kind, its file of users, and a clock that the test moves."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI, Form, Request
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from tests.waiting import until_true
from web import answers, cookies, middleware
from web.access import Access
from web.roles import Rights, Role
from web.site import Site

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # the library's own, made cheap
PASSWORD = "wet feet, dry hands"
BASE = "http://127.0.0.1"
OWN = {"origin": BASE}
NOON = 1_800_000_000.0


class Clock:
    """The world's clock, moved by hand."""

    def __init__(self) -> None:
        self.now_s = NOON

    def __call__(self) -> float:
        return self.now_s


class Order(BaseModel):
    """What a person wants."""

    minutes: int = Field(gt=0)


RIGHTS = {
    "GET /": Role.SEE,
    "GET /login": None,
    "POST /login": None,
    "POST /logout": None,
    "GET /people": Role.MANAGE,
    "POST /people": Role.MANAGE,
    "GET /api/v1/me": Role.SEE,
    "POST /api/v1/orders": Role.OPERATE,
    "DELETE /api/v1/orders/{order_id}": Role.OPERATE,
    "GET /api/v1/broken": Role.SEE,
}


class Farm:
    """The app with what it changed, for a test to look at."""

    def __init__(self, folder: Path, site: Site | None = None, **limits: float) -> None:
        self.clock = Clock()
        self.access = Access(folder / "access.sqlite", self.clock, hasher=QUICK, **limits)
        self.site = site or Site(page=lambda _, status, sentence: HTMLResponse(f"<p>{status} {sentence}</p>"))
        self.orders: list[str] = []
        self.inner = self._app()
        self.app = middleware.protect(self.inner, self.site, self.access, Rights(RIGHTS))

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """One request, as from this machine."""

        async def one() -> httpx.Response:
            address = request.pop("client", ("127.0.0.1", 5000))
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=address)
            async with httpx.AsyncClient(transport=transport, base_url=request.pop("base", BASE)) as client:
                return await client.request(method, path, **request)

        return asyncio.run(one())

    def log_in(self, name: str, password: str = PASSWORD, **request: Any) -> httpx.Response:
        """As the page's form does."""
        form = {"name": name, "password": password}
        return self.ask("POST", "/login", data=form, **{"headers": OWN, **request})

    def cookie_of(self, name: str) -> dict[str, str]:
        """Log somebody in; gives the headers that their browser sends from then on with a page's requests."""
        response = self.log_in(name)
        assert response.status_code == 303, response.text
        return {"cookie": response.headers["set-cookie"].split(";")[0], **OWN}

    def _app(self) -> FastAPI:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        answers.install(app, self.site)
        self._add_pages(app)
        self._add_api(app)
        return app

    def _add_pages(self, app: FastAPI) -> None:
        @app.get("/")
        def front(request: Request) -> Response:
            return HTMLResponse(f"<p>{middleware.person_of(request).name}</p>")

        @app.get("/login")
        def form() -> Response:
            return HTMLResponse("<form></form>")

        @app.post("/login")
        def log_in(request: Request, name: str = Form(), password: str = Form(), next: str = Form("/")) -> Response:  # noqa: A002
            device = cookies.device_of(request, self.site)
            session = self.access.log_in(name, password, middleware.address_of(request), device)
            response = RedirectResponse(answers.safe_goal(next), 303)
            cookies.give(response, self.site, session, self.clock())
            return response

        @app.post("/logout")
        def log_out(request: Request) -> Response:
            self.access.log_out(middleware.session_of(request, self.site) or "")
            response = RedirectResponse("/login", 303)
            cookies.drop(response, self.site)
            return response

        @app.get("/people")
        def people() -> Response:
            return JSONResponse([user.name for user in self.access.users()])

        @app.post("/people")
        def add() -> Response:
            return JSONResponse({"done": True})

    def _add_api(self, app: FastAPI) -> None:
        @app.get("/api/v1/me")
        def me(request: Request) -> dict[str, str]:
            person = middleware.person_of(request)
            return {"by": person.by, "role": person.role, "from": middleware.address_of(request)}

        @app.post("/api/v1/orders")
        def order(request: Request, order: Order) -> dict[str, int]:
            self.orders.append(middleware.person_of(request).by)
            return {"minutes": order.minutes}

        @app.delete("/api/v1/orders/{order_id}")
        def withdraw(request: Request, order_id: str) -> dict[str, str]:
            self.orders.append(f"no {order_id}")
            return {"withdrawn": order_id}

        @app.get("/api/v1/broken")
        def broken() -> None:
            raise ValueError("the disk is at /dev/sda1")


@contextmanager
def running(app: ASGIApp, **options: Any) -> Iterator[str]:
    """A real uvicorn on a port of its own; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, lifespan="off", **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.start()
        try:
            until_true(lambda: server.started, "the server")
            yield address
        finally:
            server.should_exit = True
            thread.join()


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Do something in several threads that begin together; gives what each returned, or the error."""
    results: list[Any] = [None] * count
    barrier = threading.Barrier(count)

    def one(index: int) -> None:
        barrier.wait()
        try:
            results[index] = work(index)
        except Exception as error:  # the test looks at it
            results[index] = error

    threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
