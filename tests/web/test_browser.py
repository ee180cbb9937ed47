"""In a real Chromium: forms without script, another site's page, and a stream that is cut."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.responses import HTMLResponse
from playwright.sync_api import Page, sync_playwright
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tests.waiting import LAST_RESORT_S, until_true
from tests.web.site_under_test import PASSWORD, RIGHTS, Farm, running
from tests.web.test_events import QUICK, Journal
from web import middleware
from web.events import Hub
from web.roles import Rights, Role

FORM = """<!doctype html><title>farm</title><link rel="icon" href="data:,">
<form method="post" action="/login">
<input name="name"><input name="password" type="password"><button>log in</button></form>
<form method="post" action="/people"><button id="add">add</button></form><script>window.inline = true</script>"""
SCRIPT = """
window.events = [];
const stream = new EventSource("/events?after=0");
stream.addEventListener("zone", (event) => window.events.push(event.lastEventId));
"""


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a browser of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(LAST_RESORT_S * 1000)
        yield page
        browser.close()


class Site(Farm):
    """The server under test with pages for a browser, and a count of what was changed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.access.add_user("ana", PASSWORD, Role.MANAGE)
        self.journal = Journal(3)
        self.hub = Hub(self.journal, rhythm=QUICK)
        self.changes = 0
        self.is_in = True
        added = {
            "GET /form": None,
            "POST /change": Role.MANAGE,
            "GET /events": Role.SEE,
            "GET /live.js": None,
            "GET /live": None,
        }

        @self.inner.get("/form")
        def form() -> Response:
            return HTMLResponse(FORM.replace("/people", "/change"))

        @self.inner.get("/live")
        def live() -> Response:
            return HTMLResponse('<!doctype html><script src="/live.js"></script>')

        @self.inner.get("/live.js")
        def script() -> Response:
            return PlainTextResponse(SCRIPT, media_type="text/javascript")

        @self.inner.post("/change")
        def change() -> Response:
            self.changes += 1
            return PlainTextResponse("changed")

        @self.inner.get("/events")
        async def events(request: Request) -> Response:
            return self.hub.response(request, lambda: self.is_in)

        self.app = middleware.protect(self.inner, self.site, self.access, Rights({**RIGHTS, **added}))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The server's parts; a test lets it run."""
    one = Site(tmp_path)
    yield one
    one.access.close()


def log_in(page: Page, address: str) -> None:
    page.goto(f"{address}/form")
    page.fill("[name=name]", "ana")
    page.fill("[name=password]", PASSWORD)
    page.click("text=log in")
    page.wait_for_url(f"{address}/")


def test_a_form_works_without_script(page: Page, site: Site) -> None:
    """The browser sends its Origin with a plain form, under the headers that this house sends, and keeps the cookie."""
    with running(site.app) as address:
        log_in(page, address)
        assert page.inner_text("p") == "ana"
        page.goto(f"{address}/form")
        page.click("#add")
        page.wait_for_url(f"{address}/change")
        assert page.inner_text("body") == "changed"
        page.goto(f"{address}/form")
        assert page.evaluate("[window.inline, document.cookie]") == [None, ""]


@contextmanager
def evil_site(content: str) -> Iterator[str]:
    """A page of another site, which the same browser opens."""

    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_another_sites_page_changes_nothing(page: Page, site: Site) -> None:
    """By form, by script and in a frame: it is refused, and the person who looks at it stays logged in."""
    with running(site.app) as address:
        log_in(page, address)
        content = f"""<form method="post" action="{address}/change"><button>win a prize</button></form>
            <iframe src="{address}/form"></iframe><script>window.done = Promise.allSettled([
            fetch("{address}/change", {{method: "POST", mode: "no-cors", credentials: "include"}}),
            fetch("{address}/change", {{method: "POST", headers: {{Authorization: "Bearer x"}}}}),
            fetch("{address}/api/v1/me", {{credentials: "include"}})
            ]).then(all => all.map(one => one.status))</script>"""
        with evil_site(content) as evil:
            page.goto(evil)
            assert page.evaluate("window.done") == ["rejected"] * 3
            [frame] = page.frames[1:]
            assert "log in" not in frame.content()
            page.click("text=win a prize")
            page.wait_for_url(f"{address}/change")
            assert "another site" in page.inner_text("body")
        assert site.changes == 0
        page.goto(address)
        assert page.inner_text("p") == "ana"


def test_a_browser_resumes_its_stream(page: Page, site: Site) -> None:
    """Cut by the server, the browser comes back by itself with its last number: no event is missing or comes twice."""
    with running(site.app) as address:
        log_in(page, address)
        page.goto(f"{address}/live")
        until_true(lambda: len(page.evaluate("window.events")) == 3, "3 events")
        site.is_in = False
        site.journal.write(1)
        until_true(lambda: not site.hub._clients, "the end of the stream")
        site.journal.write(4)
        site.is_in = True
        until_true(lambda: len(page.evaluate("window.events")) == 8, "8 events")
        site.journal.write(2)
        until_true(lambda: len(page.evaluate("window.events")) == 10, "10 events")
        assert page.evaluate("window.events") == [str(number) for number in range(1, 11)]
