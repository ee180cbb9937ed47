"""The application: the routes behind their guard, over one service."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from provisioning import api
from provisioning.errors import ProvisioningError
from provisioning.guard import MOST_BODY_BYTES, guard
from provisioning.service import Service
from web import answers
from web.site import Site

SITE = Site(most_body_bytes=MOST_BODY_BYTES, login_path=None)


def make_app(open_service: Callable[[], Service], site: Site = SITE) -> ASGIApp:
    """The routes; the service is opened before the first request, and closed after the last."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = service = await run_in_threadpool(open_service)
        await run_in_threadpool(service.start)
        try:
            yield
        finally:
            await run_in_threadpool(service.close)

    app = FastAPI(
        title="PythoFlow provisioning",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.include_router(api.router)
    app.include_router(api.generator)
    answers.install(app, site)
    app.add_exception_handler(ProvisioningError, _by_us)
    app.add_exception_handler(404, _by_path)
    app.add_exception_handler(405, _by_method)
    return guard(app, site, lambda: _service(app))


def _service(app: Any) -> Service:
    service: Service = app.state.service
    return service


def _by_us(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProvisioningError)
    return JSONResponse({"error": str(error), **error.more}, error.status)


def _by_path(request: Request, error: Exception) -> Response:
    del error
    return JSONResponse({"error": f"there is no {request.scope['path'][:200]}"}, 404)


def _by_method(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    sentence = (
        f"{request.method[:20]} is not for {request.scope['path'][:200]}; it takes {headers.get('Allow', 'none')}"
    )
    return JSONResponse({"error": sentence}, 405, headers)
