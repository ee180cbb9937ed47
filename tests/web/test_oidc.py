"""Logging in with an identity provider: a real one on a port of its own, honest or lying in one thing at a time."""

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from tests.web.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, new_key, running_provider
from tests.web.site_under_test import PASSWORD, QUICK
from web import oidc
from web.access import Access
from web.errors import ConfigError, LoginError
from web.oidc import Begun, Finished, Login, Provider, read_provider
from web.roles import Role

TRUST = httpx.create_ssl_context()  # read once: that is most of what a client costs
CALLBACK = "http://127.0.0.1:1/login/callback"
ROLES = {"farm-hands": Role.OPERATE, "farm-chiefs": Role.MANAGE, "guests": Role.SEE}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityProvider]:
    """An honest one, at which `ana` of the group `farm-hands` is logged in."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # it is on this machine
    with running_provider() as one:
        one.redirect_uri = CALLBACK
        one.person["groups"] = ["everybody", "farm-hands"]
        yield one


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Access]:
    """Where its users come in."""
    one = Access(tmp_path / "a.sqlite", time.time, hasher=QUICK)
    yield one
    one.close()


class Browser:
    """Somebody who logs in: begins, is sent to the provider, and comes back."""

    def __init__(self, provider: IdentityProvider, access: Access, folder: Path, **settings: Any) -> None:
        (folder / "secret").write_text(f"{CLIENT_SECRET}\n")
        self.later_s = 0.0
        asked = {"issuer": provider.issuer, "client_id": CLIENT_ID, "claim": "groups", "roles": ROLES, **settings}
        self.login = Login(
            Provider(secret_file=folder / "secret", **asked),
            access,
            CALLBACK,
            lambda: time.time() + self.later_s,
            httpx.Client(timeout=oidc.TIMEOUT_S, verify=TRUST),
        )

    def visit(self, begun: Begun) -> dict[str, str]:
        """What the provider sends the browser back with."""
        response = httpx.get(begun.url, verify=TRUST)
        assert response.status_code == 302, response.text
        place = httpx.URL(response.headers["location"])
        assert str(place).startswith(CALLBACK)
        return dict(place.params)

    def log_in(self, goal: str = "/") -> Finished:
        """The whole way."""
        begun = self.login.begin(goal)
        return self.login.finish(self.visit(begun), begun.cookie)


@pytest.fixture
def browser(provider: IdentityProvider, access: Access, tmp_path: Path) -> Browser:
    """With our side as it is configured."""
    return Browser(provider, access, tmp_path)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_somebody_logs_in(provider: IdentityProvider, access: Access, browser: Browser, method: str) -> None:
    """With the name and role that the provider gives, to where they wanted to go; next time it is the same user."""
    provider.auth_method = method
    session, goal = browser.log_in("/zones/plot-1a").session, browser.log_in("/zones/plot-1a").goal
    person = access.of_session(session.secret)
    assert person is not None
    assert (person.name, person.role, goal) == ("ana", Role.OPERATE, "/zones/plot-1a")
    assert browser.log_in().session.person == person
    assert access.names() == {person.by: "ana"}


CLAIMS: list[tuple[str, dict[str, Any], Role]] = [
    ("groups", {"groups": ["guests", "farm-chiefs", "farm-hands"]}, Role.MANAGE),
    ("groups", {"groups": "guests"}, Role.SEE),
    ("realm_access.roles", {"realm_access": {"roles": ["guests"]}}, Role.SEE),
    ("https://farm.example/roles", {"https://farm.example/roles": ["farm-hands"]}, Role.OPERATE),
]


@pytest.mark.parametrize("row", CLAIMS, ids=["list", "text", "claim in a claim", "name of a namespace"])
def test_a_claim_becomes_a_role(
    provider: IdentityProvider, access: Access, tmp_path: Path, row: tuple[str, dict[str, Any], Role]
) -> None:
    """One value or several, also of a claim in a claim; of several roles the highest."""
    claim, person, role = row
    provider.person = {"sub": "u1", **person}
    finished = Browser(provider, access, tmp_path, claim=claim).log_in()
    assert (finished.session.person.role, finished.session.person.name) == (role, "u1")


@pytest.mark.parametrize("groups", [None, [], ["everybody"], "manage", {"manage": 1}, [["guests"]], 7, True])
def test_who_has_no_role_does_not_come_in(
    provider: IdentityProvider, access: Access, browser: Browser, groups: object
) -> None:
    """Whoever else has an account there gets no user here."""
    provider.person["groups"] = groups
    with pytest.raises(LoginError, match="no role here"):
        browser.log_in()
    assert access.users() == []


def test_a_claim_may_come_by_userinfo(provider: IdentityProvider, browser: Browser) -> None:
    """Some providers keep groups out of the token; what they say of somebody else counts nothing."""
    del provider.person["groups"]
    provider.userinfo = {"sub": "u1", "groups": ["farm-chiefs"]}
    assert browser.log_in().session.person.role is Role.MANAGE
    provider.userinfo = {"sub": "u2", "groups": ["farm-chiefs"]}
    with pytest.raises(LoginError, match="no role here"):
        browser.log_in()


def test_a_name_from_elsewhere_is_nobodys_here(provider: IdentityProvider, access: Access, browser: Browser) -> None:
    """Who calls himself `chief` there does not become the `chief` who has a password here."""
    access.add_user("chief", PASSWORD, Role.MANAGE)
    provider.person["preferred_username"] = "chief"
    person = browser.log_in().session.person
    assert (person.name, person.role) == ("chief 2", Role.OPERATE)


Lie = Callable[[dict[str, Any]], dict[str, Any]]
LIES: dict[str, tuple[Lie, str]] = {
    "another nonce": (lambda claims: claims | {"nonce": "n"}, "nonce"),
    "no nonce": (lambda claims: without(claims, "nonce"), "nonce"),
    "another issuer": (lambda claims: claims | {"iss": "https://evil.example"}, "iss"),
    "no issuer": (lambda claims: without(claims, "iss"), "iss"),
    "for another client": (lambda claims: claims | {"aud": ["another"]}, "aud"),
    "for nobody": (lambda claims: without(claims, "aud"), "aud"),
    "for several, by another": (lambda claims: claims | {"aud": [CLIENT_ID, "b"], "azp": "b"}, "azp"),
    "expired": (lambda claims: claims | {"exp": int(time.time()) - 61}, "expired"),
    "never expires": (lambda claims: without(claims, "exp"), "exp"),
    "not valid yet": (lambda claims: claims | {"nbf": int(time.time()) + 120}, "not yet valid"),
    "of tomorrow": (lambda claims: claims | {"iat": int(time.time()) + 86400}, "in the future"),
    "of another access token": (lambda claims: claims | {"at_hash": "x"}, "at_hash"),
    "of nobody": (lambda claims: without(claims, "sub"), "sub"),
    "of a number": (lambda claims: claims | {"sub": 7}, "hold|who it is"),
    "of an empty name": (lambda claims: claims | {"sub": ""}, "hold|who it is"),
    "a text for a time": (lambda claims: claims | {"exp": "tomorrow"}, "exp"),
}


def without(claims: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name != key}


@pytest.mark.parametrize("lie", list(LIES))
def test_a_token_that_does_not_hold_opens_nothing(
    provider: IdentityProvider, access: Access, browser: Browser, lie: str
) -> None:
    """It is for us, for this login, of this provider, and still valid; or nobody comes in."""
    provider.token, sentence = LIES[lie]
    with pytest.raises(LoginError, match=sentence):
        browser.log_in()
    assert access.users() == []


def signed_by_another(claims: dict[str, Any], provider: IdentityProvider) -> str:
    return jwt.encode({"alg": "RS256", "kid": provider.key.kid}, claims, new_key("another"))


def signed_with_our_secret(claims: dict[str, Any], _: IdentityProvider) -> str:
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET.encode().ljust(32, b"x")))


def signed_with_the_public_key(claims: dict[str, Any], provider: IdentityProvider) -> str:
    return jwt.encode(
        {"alg": "HS256", "kid": "k1"}, claims, OctKey.import_key(provider.key.as_pem(private=False)[27:99])
    )


def not_signed(claims: dict[str, Any], _: IdentityProvider) -> str:
    return f"{encoded({'alg': 'none'})}.{encoded(claims)}."


def encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "sign",
    [signed_by_another, signed_with_our_secret, signed_with_the_public_key, not_signed, lambda *_: "x", lambda *_: ""],
)
def test_a_signature_of_somebody_else_opens_nothing(
    provider: IdentityProvider, browser: Browser, monkeypatch: pytest.MonkeyPatch, sign: Callable[..., str]
) -> None:
    """By another key of the same name, by a secret, or by nobody."""
    monkeypatch.setattr(provider, "sign", lambda claims: sign(claims, provider))
    with pytest.raises(LoginError, match="does not hold"):
        browser.log_in()


def test_new_keys_are_fetched(provider: IdentityProvider, browser: Browser) -> None:
    """The provider changes its keys, as they do every few weeks: the next login goes on."""
    browser.log_in()
    provider.key = new_key("k2")
    assert browser.log_in().session.person.name == "ana"


DESCRIPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"issuer": "https://evil.example"}, "calls itself https://evil.example"),
    "no issuer": ({"issuer": None}, "calls itself"),
    "a token endpoint without TLS": ({"token_endpoint": "http://evil.example/token"}, "https"),
    "a login page without TLS": ({"authorization_endpoint": "http://evil.example/"}, "wrongly"),
    "keys without TLS": ({"jwks_uri": "http://evil.example/keys"}, "https"),
    "keys nowhere": ({"jwks_uri": None}, "wrongly"),
    "an address that is none": ({"token_endpoint": "https://[::1"}, "wrongly"),
}


@pytest.mark.parametrize("what", list(DESCRIPTIONS))
def test_a_provider_that_describes_itself_wrongly_is_not_asked(
    provider: IdentityProvider, browser: Browser, what: str
) -> None:
    """No secret and no browser goes there."""
    provider.discovery, sentence = DESCRIPTIONS[what]
    with pytest.raises(LoginError, match=sentence):
        browser.login.begin()


@pytest.mark.parametrize("path", ["/none", "/authorize", "//", "/token"])
def test_a_provider_that_cannot_be_asked_is_told(
    provider: IdentityProvider, access: Access, tmp_path: Path, path: str
) -> None:
    """Not there, or no provider at all: one sentence."""
    browser = Browser(provider, access, tmp_path, issuer=f"{provider.issuer}{path}")
    with pytest.raises(LoginError, match="identity provider") as refusal:
        browser.login.begin()
    assert "\n" not in str(refusal.value)


def test_a_provider_that_is_down_is_told(access: Access, provider: IdentityProvider, tmp_path: Path) -> None:
    """And asked again at the next login."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and listens not
        browser = Browser(provider, access, tmp_path, issuer=f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(LoginError, match="cannot be asked"):
            browser.login.begin()


def test_a_wrong_secret_is_told(provider: IdentityProvider, browser: Browser, tmp_path: Path) -> None:
    """As the provider says it."""
    (tmp_path / "secret").write_text("wrong")
    with pytest.raises(LoginError, match="refuses"):
        browser.log_in()


# What the browser brings back


def test_a_login_is_finished_where_it_was_begun(provider: IdentityProvider, access: Access, browser: Browser) -> None:
    """Not by a link that somebody sends, not in another browser, and not with another login's cookie."""
    mine, other = browser.login.begin(), browser.login.begin()
    query = browser.visit(mine)
    for cookie in (None, "", other.cookie, "x", "%00", quote('["a", "b", "c", 1, "/"]'), quote("[" * 9999), "null"):
        with pytest.raises(LoginError, match="begin again"):
            browser.login.finish(query, cookie)
    for without_state in ({"code": query["code"]}, {**query, "state": ""}, {**query, "state": "é"}):
        with pytest.raises(LoginError, match="begin again"):
            browser.login.finish(without_state, mine.cookie)
    assert access.users() == []
    assert browser.login.finish(query, mine.cookie)


def test_a_code_with_another_verifier_or_nonce_opens_nothing(browser: Browser) -> None:
    """A code that was caught on its way is worth nothing to another login."""
    for place in (1, 2):
        mine, other = browser.login.begin(), browser.login.begin()
        query = browser.visit(mine)
        parts, others = (json.loads(unquote(begun.cookie)) for begun in (mine, other))
        parts[place] = others[place]
        with pytest.raises(LoginError, match=r"nonce|refuses"):
            browser.login.finish(query, quote(json.dumps(parts)))


def test_a_code_opens_once(browser: Browser) -> None:
    """To go back in the browser is no second login."""
    begun = browser.login.begin()
    query = browser.visit(begun)
    browser.login.finish(query, begun.cookie)
    with pytest.raises(LoginError, match="refuses"):
        browser.login.finish(query, begun.cookie)


@pytest.mark.parametrize("goal", ["//evil.example", "https://evil.example", "/" + "x" * 9999])
def test_a_login_leads_nowhere_else(browser: Browser, goal: str) -> None:
    """Neither to another site, nor to an address that no cookie could hold."""
    assert browser.log_in(goal).goal == "/"


def test_a_login_that_took_too_long_begins_again(browser: Browser) -> None:
    """A page that was left open overnight."""
    begun = browser.login.begin()
    query = browser.visit(begun)
    browser.later_s = oidc.BEGUN_S + 1
    with pytest.raises(LoginError, match="too long"):
        browser.login.finish(query, begun.cookie)


def test_what_the_provider_says_instead_of_a_code_is_told(browser: Browser) -> None:
    """In its own word, made plain; and the answer of another provider is not taken."""
    begun = browser.login.begin()
    state = browser.visit(begun)["state"]
    for query, sentence in (
        ({"error": "access_denied\n<b>"}, "says: access_denied <b>"),
        ({}, "no code"),
        ({"code": "x", "iss": "https://evil.example"}, "another identity provider"),
    ):
        with pytest.raises(LoginError, match=sentence):
            browser.login.finish({"state": state, **query}, begun.cookie)


# Configuration

TOML = """
issuer = "https://id.example/realms/farm"
client_id = "pythoflow"
secret_file = "secret"
claim = "groups"

[roles]
"farm-chiefs" = "manage"
guests = "see"
"""


def test_a_provider_is_read_from_a_file(tmp_path: Path) -> None:
    """The secret stands in a file of its own, beside it."""
    (tmp_path / "secret").write_text("s\n")
    (tmp_path / "oidc.toml").write_text(TOML)
    provider = read_provider(tmp_path / "oidc.toml")
    assert (provider.secret(), provider.roles) == ("s", {"farm-chiefs": Role.MANAGE, "guests": Role.SEE})


MISTAKES = {
    ('client_id = "pythoflow"', ""): "client_id is missing",
    ("claim =", "claims ="): "'claims' is not known; known are claim, client_id",
    ("https://id", "http://id"): "should begin with https://",
    ('"https://id.example/realms/farm"', "7"): "issuer is 7, and should be a text",
    ('"manage"', '"owner"'): "'farm-chiefs' is 'owner', and should be see, operate or manage",
    ("[roles]", "[role]"): "'role' is not known",
    ('"secret"', '"gone"'): "gone: the client's secret cannot be read",
    ('"secret"', '"empty"'): "empty: is empty",
    ("guests", "]"): "oidc.toml",
}


@pytest.mark.parametrize("change", list(MISTAKES))
def test_a_mistake_in_the_file_is_told(tmp_path: Path, change: tuple[str, str]) -> None:
    """With the file, the key and the remedy."""
    (tmp_path / "secret").write_text("s\n")
    (tmp_path / "empty").write_text("\n")
    assert change[0] in TOML
    (tmp_path / "oidc.toml").write_text(TOML.replace(*change))
    with pytest.raises(ConfigError) as refusal:
        read_provider(tmp_path / "oidc.toml")
    assert MISTAKES[change] in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_no_file_is_told(tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(ConfigError, match=r"oidc\.toml"):
        read_provider(tmp_path / "oidc.toml")
