"""A console on a living farm: real pages from a real server, in Debian's Chromium."""

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from argon2 import PasswordHasher
from playwright.sync_api import Browser, Page, sync_playwright

from console.__main__ import house_of
from console.app import make_app
from console.house import House
from tests.console.living import ZONES_FILE, LivingFarm, living_farm, service_at_work
from tests.console.looking import leave
from tests.console.site_of_test import Site
from tests.waiting import until_true
from web import serve
from web.access import Access
from web.roles import Role
from web.serve import Listen

ROOT = Path(__file__).parents[2]
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # a test's passwords guard nothing


@contextmanager
def console_on(folder: Path, port: int = 0, oidc: Path | None = None, wait_s: float = House.wait_s) -> Iterator[Site]:
    """The console's own application in a thread, on the store and the zones file of a folder.

    `oidc`: the file that names an identity provider; `wait_s`: as the house's, 0 where no service is at work.
    """
    listen = Listen(port=port)
    with closing(Access(folder / "console.sqlite", time.time, hasher=QUICK)) as access:
        listener = serve.bind(listen, has_users=access.has_users())
        address = serve.address_of(listener, listen)
        words = argparse.Namespace(store=folder / "compute.sqlite", zones=folder / "zones.yaml", oidc=oidc)
        app = make_app(replace(house_of(words, access, listen, address), wait_s=wait_s))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            until_true(lambda: server.started, "the console")
            yield Site(address.rstrip("/"), access, folder)
        finally:
            server.should_exit = True
            thread.join()
            listener.close()


@contextmanager
def console_process(folder: Path, *more: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """`python -m console` as people start it: its address, and the process to kill."""
    words = ["--store", "compute.sqlite", "--access", "console.sqlite", "--port", "0", *more]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "firmware" / "lib")])}
    process = subprocess.Popen(
        [sys.executable, "-m", "console", *words], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield line.split()[1].rstrip(";/"), process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the farm's store and its zones file are."""
    (tmp_path / "zones.yaml").write_text(ZONES_FILE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def farm(folder: Path) -> Iterator[LivingFarm]:
    """A farm on its first day; its service runs only within `service_at_work`."""
    with living_farm(folder / "compute.sqlite", hours=1) as farm:
        yield farm


@pytest.fixture
def site(farm: LivingFarm, folder: Path) -> Iterator[Site]:
    """The console on that farm."""
    with console_on(folder) as site:
        yield site


@pytest.fixture
def working(farm: LivingFarm) -> Iterator[LivingFarm]:
    """The farm with its service at work."""
    with service_at_work(farm):
        yield farm


@pytest.fixture(scope="module")
def busy_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A farm with a past, a run, a valve that opens, a pause, an outage of a gateway and its alarms, and a token."""
    folder = tmp_path_factory.mktemp("busy")
    (folder / "zones.yaml").write_text(ZONES_FILE, encoding="utf-8")
    with living_farm(folder / "compute.sqlite", hours=6) as farm, console_on(folder) as site:
        farm.hear_status("irrigation-gateway-2", "offline")
        farm.order("pause", "plot-1b", until=farm.bench.now + 86_400, why="harvest")
        commands = farm.dry_out("plot-1a", "plot-1c")
        farm.ack(commands[0], "started")
        site.access.add_token("bridge", Role.OPERATE)
        with service_at_work(farm):
            yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file, in which each has a context of its own; see `leave`."""
    program = shutil.which("chromium")
    assert program, "Debian's chromium is missing: python3 scripts/setup.py system chromium"
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()  # killed after half a minute, if it does not end


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A page of an English browser; whatever its console complains of fails the test."""
    context = browser.new_context(base_url=site.address, locale="en", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(120_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    yield page
    leave(context)
    assert complaints == []
