"""People log in, and what they do carries their number; nobody comes in from afar before there are users."""

import hashlib
import io
import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from console.__main__ import main
from tests.console.living import LivingFarm
from tests.console.looking import leave
from tests.console.site_of_test import Site
from tests.waiting import LAST_RESORT_S

expect.set_options(timeout=LAST_RESORT_S * 1000)
ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "console" / "static" / "vendor"
PASSWORD = "seven wet Mondays"


def test_a_first_user_shuts_the_door(browser: Browser, site: Site, working: LivingFarm) -> None:
    """Made on the page; from then on everybody logs in, and a stop is the user's by number in the journal."""
    context = browser.new_context(base_url=site.address, locale="en")
    page = context.new_page()
    page.goto("/people")
    form = page.locator("form").filter(has=page.get_by_role("button", name="Add a user"))
    form.get_by_label("Name").fill("ana")
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_label("May").select_option("manage")
    form.get_by_role("button").click()
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not fit")
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="STOP ALL").click()
    expect(page.locator(".hold").first).to_contain_text("ana stopped the farm")
    [hold] = working.store.orders.holds()
    assert hold.by == "user 1"
    cookie = next(one for one in context.cookies() if "console" in one["name"])
    page.get_by_role("button", name="Log out").click()
    assert page.url.endswith("/login")
    stolen = {"Cookie": f"{cookie['name']}={cookie['value']}", "Accept": "text/html"}
    assert site.ask("GET", "/", headers=stolen).status == 303
    leave(context)


def test_a_stolen_cookie_without_the_page_changes_nothing(site: Site, farm: LivingFarm) -> None:
    """Without an Origin of ours a session's cookie orders nothing; who may only see is told what it takes."""
    from web.roles import Role  # noqa: PLC0415 - beside its one use

    site.access.add_user("rui", PASSWORD, Role.SEE)
    session = site.access.log_in("rui", PASSWORD, "127.0.0.1")
    cookie = {"Cookie": f"pythoflow_console={session.secret}"}
    assert site.ask("GET", "/api/v1/farm", headers=cookie).status == 200
    assert site.ask("POST", "/orders", form={"action": "stop"}, headers={**cookie, "Origin": ""}).status == 403
    answer = site.ask("POST", "/orders", form={"action": "stop"}, headers=cookie)
    assert (answer.status, "needs the role operate" in answer.json["error"]) == (403, True)
    assert "STOP ALL" not in site.page("/", **cookie).text
    assert farm.store.orders.last() == []


def test_each_mistake_at_the_start_is_one_sentence(
    tmp_path: Path, farm: LivingFarm, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No store, an address for others without users, a certificate without its key: told, and it ends with 2."""
    store, access = f"--store={folder / 'compute.sqlite'}", f"--access={tmp_path / 'people.sqlite'}"
    for words, told_text in (
        ([f"--store={tmp_path / 'none'}"], "no such store"),
        ([store, access, "--host=0.0.0.0", "--port=0"], "add a user"),
        ([store, access, "--cert=x.pem"], "--cert and --key go together"),
    ):
        code, said = main(words), capsys.readouterr().err
        assert (code, said.count("\n")) == (2, 1)
        assert told_text in said


def test_a_user_is_made_at_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The password is asked for, never an argument."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
    assert main(["user", "add", "ana", "--role", "manage", f"--access={tmp_path / 'people.sqlite'}"]) == 0
    assert "ana may manage" in capsys.readouterr().out


def test_what_is_vendored_is_what_npm_gives() -> None:
    """The chart library stands here byte for byte, with its licence and its checksums."""
    package = ROOT / "node_modules" / "uplot"
    lines = [line.split("  ") for line in (VENDOR / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert set(sums) == {"uPlot.iife.min.js", "uPlot.min.css", "uPlot.LICENSE"}
    for name, digest in sums.items():
        here = (VENDOR / name).read_bytes()
        there = package / "LICENSE" if name == "uPlot.LICENSE" else package / "dist" / name
        assert here == there.read_bytes(), name
        assert hashlib.sha256(here).hexdigest() == digest, name


def test_nothing_comes_from_elsewhere(site: Site) -> None:
    """No page, style or script names another host, and none has a script or a style of its own inside."""
    texts = [site.page(path).text for path in ("/", "/zones/plot-1a", "/water", "/settings", "/people", "/login")]
    texts += [
        (ROOT / "console" / "static" / name).read_text(encoding="utf-8") for name in ("console.css", "console.js")
    ]
    for text in texts:
        assert re.search(r"""(src|href|url\()\s*=?\s*["']?(https?:)?//""", text) is None
        assert re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text) is None
    headers = site.page("/").headers
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
