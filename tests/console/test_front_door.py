"""How somebody comes in from afar: by an identity provider through the console's own routes, and over TLS."""

import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from tests.console.conftest import ROOT, console_on, console_process
from tests.console.living import ZONES_FILE, living_farm
from tests.console.site_of_test import Answer, Site
from tests.web.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, running_provider
from tests.web.site_under_test import QUICK
from web.access import Access
from web.roles import Role

PASSWORD = "seven wet Mondays"
OIDC = """
issuer = "{issuer}"
client_id = "{client}"
secret_file = "oidc.secret"
claim = "groups"
roles = {{ staff = "see", irrigation = "operate", owners = "manage" }}
"""


class Door(NamedTuple):
    """A console and the identity provider that it trusts."""

    site: Site
    provider: IdentityProvider

    def begin(self, goal: str = "/") -> tuple[str, str]:
        """Where the console sends the browser, and the cookie that this keeps."""
        answer = self.site.ask("GET", f"/login/provider?next={goal}", headers={"Accept": "text/html"})
        assert answer.status == 303, answer.text
        return answer.headers["Location"], answer.headers["Set-Cookie"].split(";")[0]

    def back(self, url: str) -> str:
        """The provider's page, whose person is logged in there and agrees; the path by which the browser is back."""
        place = urlsplit(httpx.get(url).headers["location"])
        return f"{place.path}?{place.query}"

    def finish(self, path: str, cookie: str, language: str = "en") -> Answer:
        """The console's answer to the browser that is back."""
        return self.site.page(path, Cookie=cookie, **{"Accept-Language": language})


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A console with one user, so that nobody comes in unasked, and a provider, both on ports of their own."""
    folder = tmp_path_factory.mktemp("door")
    (folder / "zones.yaml").write_text(ZONES_FILE, encoding="utf-8")
    (folder / "oidc.secret").write_text(CLIENT_SECRET, encoding="utf-8")
    with (
        pytest.MonkeyPatch.context() as patch,
        running_provider() as provider,
        living_farm(folder / "compute.sqlite"),
    ):
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # the provider is on this machine
        (folder / "oidc.toml").write_text(OIDC.format(issuer=provider.issuer, client=CLIENT_ID), encoding="utf-8")
        with console_on(folder, oidc=folder / "oidc.toml") as site:
            site.access.add_user("chief", PASSWORD, Role.MANAGE)
            provider.redirect_uri = f"{site.address}/login/callback"
            yield Door(site, provider)


@pytest.fixture
def door(doors: Door) -> Iterator[Door]:
    """The same with an honest provider, at which `ana` of the group `irrigation` is logged in."""
    doors.provider.person = {"sub": "u1", "preferred_username": "ana", "groups": ["irrigation"]}
    yield doors
    doors.provider.token, doors.provider.discovery = lambda claims: claims, {}
    for user in doors.site.access.users():
        if user.is_by_provider:
            doors.site.access.delete_user(user.name)


@pytest.mark.parametrize("group", ["staff", "irrigation", "owners"])
def test_somebody_comes_in_by_the_provider(door: Door, group: str) -> None:
    """To the page they wanted, as the role that the file gives their group: that much they may, and no more."""
    role = {"staff": Role.SEE, "irrigation": Role.OPERATE, "owners": Role.MANAGE}[group]
    door.provider.person["groups"] = ["everybody", group]
    assert "/login/provider" in door.site.page("/login").text
    url, cookie = door.begin("/water")
    answer = door.finish(door.back(url), cookie)
    assert (answer.status, answer.headers["Location"]) == (303, "/water")
    session = answer.headers.get_all("Set-Cookie")[0].split(";")[0]
    mine = {"Cookie": session, "Accept": "application/json"}
    assert door.site.ask("GET", "/api/v1/farm", headers=mine).status == 200
    order = door.site.ask("POST", "/api/v1/orders", body={"action": "fly"}, headers=mine).status
    assert order == (409 if role.may(Role.OPERATE) else 403)
    assert door.site.ask("GET", "/people", headers=mine).status == (200 if role is Role.MANAGE else 403)


Lie = Callable[[dict[str, Any]], dict[str, Any]]
LIES: dict[str, Lie] = {
    "issuer": lambda claims: claims | {"iss": "https://evil.example"},
    "nonce": lambda claims: claims | {"nonce": "another login's"},
    "audience": lambda claims: claims | {"aud": ["another client"]},
    "age": lambda claims: claims | {"iat": 1, "exp": 2},
}


@pytest.mark.parametrize("lie", list(LIES))
def test_a_word_that_does_not_hold_opens_nothing(door: Door, lie: str) -> None:
    """Of another issuer, for another login or client, or too old: one sentence, in the reader's language, no user."""
    door.provider.token = LIES[lie]
    for language, sentence in (("en", "word does not hold"), ("pt-BR", "não vale")):
        url, cookie = door.begin()
        answer = door.finish(door.back(url), cookie, language)
        assert (answer.status, answer.text.count('role="alert"')) == (401, 1)
        assert sentence in answer.text
        assert "pythoflow_console=" not in str(answer.headers)
    assert [user.name for user in door.site.access.users()] == ["chief"]


def test_a_login_is_finished_where_it_began(door: Door) -> None:
    """Another state, another browser's cookie, or none: one sentence; and who has no role here does not come in."""
    url, cookie = door.begin()
    _, other = door.begin()
    path = door.back(url)
    for tried, kept in ((path.replace("state=", "state=x"), cookie), (path, other), (path, "login=")):
        answer = door.finish(tried, kept)
        assert (answer.status, "begin again" in answer.text) == (401, True)
    door.provider.person["groups"] = ["everybody"]
    url, cookie = door.begin()
    answer = door.finish(door.back(url), cookie, "pt-BR")
    assert (answer.status, "não dá papel aqui" in answer.text) == (401, True)
    assert [user.name for user in door.site.access.users()] == ["chief"]


def test_a_provider_that_calls_itself_otherwise_is_not_asked(door: Door, tmp_path: Path) -> None:
    """Its description names another issuer, or there is none: the browser stays, and reads why."""
    (tmp_path / "zones.yaml").write_text(ZONES_FILE, encoding="utf-8")
    (tmp_path / "oidc.secret").write_text(CLIENT_SECRET, encoding="utf-8")
    (tmp_path / "oidc.toml").write_text(OIDC.format(issuer=door.provider.issuer, client=CLIENT_ID), encoding="utf-8")
    with living_farm(tmp_path / "compute.sqlite"), console_on(tmp_path, oidc=tmp_path / "oidc.toml") as site:
        for lie, sentence in (({"issuer": "https://evil.example"}, "calls itself"), ({"jwks_uri": None}, "wrongly")):
            door.provider.discovery = lie
            answer = site.page("/login/provider")
            assert (answer.status, sentence in answer.text, answer.text.count('role="alert"')) == (503, True, 1)


def test_the_console_serves_tls_with_a_certificate_of_the_farms_own(tmp_path: Path) -> None:
    """One of `python -m certs`: whoever trusts its authority gets there, nobody by plain HTTP; the browser is told to
    come by TLS only, and keeps its session for this host and TLS alone."""
    command = [sys.executable, "-m", "certs", "issue", "--gateways", "1", "--out", str(tmp_path / "certs")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    folder = tmp_path / "certs" / "localhost"
    words = ("--cert", str(folder / "certificate.pem"), "--key", str(folder / "private_key.pem"))
    with closing(Access(tmp_path / "console.sqlite", time.time, hasher=QUICK)) as access:
        access.add_user("ana", PASSWORD, Role.SEE)
    trust = ssl.create_default_context(cafile=str(folder / "root_ca.pem"))
    with living_farm(tmp_path / "compute.sqlite"), console_process(tmp_path, *words) as (address, _):
        assert address.startswith("https://127.0.0.1:")
        with httpx.Client(verify=trust, base_url=address) as client:
            form = {"name": "ana", "password": PASSWORD}
            answer = client.post("/login", data=form, headers={"Origin": address})
            assert (answer.status_code, "strict-transport-security" in answer.headers) == (303, True)
            cookies = answer.headers.get_list("set-cookie")
            assert [cookie.partition("=")[0] for cookie in cookies] == [
                "__Host-pythoflow_console",
                "__Host-pythoflow_console_device",
            ]
            assert all("Secure" in cookie for cookie in cookies)
            assert client.get("/water").status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{address}/login")  # an authority that nobody trusts
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{address.replace('https', 'http')}/login")
