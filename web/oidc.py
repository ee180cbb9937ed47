"""Logging in with an identity provider: OpenID Connect's code flow with PKCE, by a file of configuration.

The browser is sent to the provider and comes back with a code, for which the provider vouches in a signed token. A
claim of that token says who may what. What belongs to one login (state, nonce, verifier) waits in a cookie of the
browser that began it, so that nobody can finish it in another's.
"""

import json
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from web.access import Access, Session
from web.answers import safe_goal
from web.errors import ConfigError, LoginError
from web.roles import RANKS, Role
from web.site import is_loopback_name

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]  # never `none`, and never one that the client's secret could sign
BEGUN_S = 600.0  # for a person to log in at the provider
LEEWAY_S = 60  # between two clocks
KEPT_S = 3600.0  # what the provider says of itself
TIMEOUT_S = 10.0
MOST_BYTES = 2**20
LONGEST_GOAL = 500  # characters: a browser keeps 4 KiB in a cookie


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who vouches, as whom we ask, and which values of which claim (`a.b` for a claim in a claim) are which role."""

    issuer: str
    client_id: str
    secret_file: Path
    claim: str
    roles: Mapping[str, Role]
    name_claim: str = "preferred_username"
    scope: str = "openid profile email"

    def secret(self) -> str:
        """The client's secret. Raises ConfigError."""
        try:
            secret = self.secret_file.read_text().strip()
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"{self.secret_file}: the client's secret cannot be read: {error}") from error
        if not secret:
            raise ConfigError(f"{self.secret_file}: is empty; put the client's secret into it")
        return secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A login that has begun: where the browser goes, and what it keeps in a cookie for `seconds` until it is back."""

    url: str
    cookie: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A login that is done: the session, and the path where the browser wanted to go."""

    session: Session
    goal: str


def read_provider(path: Path) -> Provider:
    """A provider from a TOML file; `secret_file` is relative to it. Raises ConfigError with the first mistake."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    known_keys = {field.name for field in fields(Provider)}
    for key in sorted(set(document) - known_keys):
        raise ConfigError(f"{path}: {key!r} is not known; known are {', '.join(sorted(known_keys))}")
    for key in ("issuer", "client_id", "secret_file", "claim", "roles"):
        if not document.get(key):
            raise ConfigError(f"{path}: {key} is missing")
    for key, value in document.items():
        if key != "roles" and not isinstance(value, str):
            raise ConfigError(f"{path}: {key} is {value!r}, and should be a text")
    _check_url(document["issuer"], f"{path}: issuer")
    provider = Provider(
        **{**document, "secret_file": path.parent / document["secret_file"], "roles": _roles(document["roles"], path)}
    )
    provider.secret()
    return provider


class Login:
    """The two steps of a login. They ask the provider over HTTP: not in an event loop."""

    def __init__(
        self,
        provider: Provider,
        access: Access,
        redirect_uri: str,
        now: Callable[[], float],
        client: httpx.Client | None = None,
    ) -> None:
        """`redirect_uri`: where the provider sends the browser back, as it is registered there."""
        self._provider = provider
        self._access = access
        self._redirect_uri = redirect_uri
        self._now = now
        self._client = client or httpx.Client(timeout=TIMEOUT_S)
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: KeySet | None = None

    def begin(self, goal: str = "/") -> Begun:
        """Where to send the browser. Raises LoginError if the provider cannot be asked."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._provider.client_id,
                "redirect_uri": self._redirect_uri,
                "scope": self._provider.scope,
                "state": state,
                "nonce": nonce,
                "code_challenge": create_s256_code_challenge(verifier),
                "code_challenge_method": "S256",
            }
        )
        endpoint = self._described()["authorization_endpoint"]
        until = int(self._now() + BEGUN_S)
        cookie = json.dumps(
            [state, nonce, verifier, until, goal if len(goal) < LONGEST_GOAL else "/"], separators=(",", ":")
        )
        return Begun(
            url=f"{endpoint}{'&' if '?' in endpoint else '?'}{query}",
            cookie=quote(cookie, safe=""),
            seconds=int(BEGUN_S),
        )

    def finish(self, query: Mapping[str, str], cookie: str | None) -> Finished:
        """The session of whoever came back, by the callback's query and the cookie of `begin`. Raises LoginError."""
        state, nonce, verifier, until, goal = _unpacked(cookie)
        if not secrets.compare_digest(query.get("state", "").encode(), state.encode()):
            raise LoginError("this login was begun in another window or browser; begin again")
        if self._now() > until:
            raise LoginError("the login took too long; begin again")
        if query.get("iss", self._provider.issuer) != self._provider.issuer:
            raise LoginError("the answer comes from another identity provider than the one that was asked")
        if "error" in query or not query.get("code"):
            raise LoginError(f"the identity provider says: {_plain(query.get('error', 'no code'))}")
        answer = self._token(query["code"], verifier)
        claims = self._claims(answer, nonce)
        role = self._role(claims, answer)
        name = claims.get(self._provider.name_claim) or claims["sub"]
        session = self._access.log_in_by_provider(self._provider.issuer, str(claims["sub"]), str(name), role)
        return Finished(session=session, goal=safe_goal(goal))

    def _described(self) -> dict[str, Any]:
        """What the provider says of itself, which it must say in its own name."""
        if self._metadata is None or self._now() - self._metadata[0] > KEPT_S:
            document = self._get(get_well_known_url(self._provider.issuer, external=True))
            if document.get("issuer") != self._provider.issuer:
                raise LoginError(f"the identity provider calls itself {_plain(str(document.get('issuer')))}")
            try:
                OpenIDProviderMetadata(document).validate()
                for key in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    _check_url(document[key], key)
            except (ValueError, KeyError, ConfigError) as error:
                raise LoginError(f"the identity provider describes itself wrongly: {_plain(str(error))}") from error
            self._metadata, self._keys = (self._now(), document), None
        return self._metadata[1]

    def _token(self, code: str, verifier: str) -> dict[str, Any]:
        described, provider = self._described(), self._provider
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        methods = described.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if "client_secret_basic" in methods:
            auth = (quote(provider.client_id, safe=""), quote(provider.secret(), safe=""))
            return self._json("POST", described["token_endpoint"], data=form, auth=auth)
        form |= {"client_id": provider.client_id, "client_secret": provider.secret()}
        return self._json("POST", described["token_endpoint"], data=form)

    def _claims(self, answer: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """What the signed token says, if it is for us, for this very login, by this provider, and still holds."""
        options: dict[str, Any] = {
            "iss": {"essential": True, "value": self._provider.issuer},
            "aud": {"essential": True, "value": self._provider.client_id},
            "nonce": {"essential": True, "value": nonce},
        }
        params = {"nonce": nonce, "client_id": self._provider.client_id, "access_token": answer.get("access_token")}
        try:
            token = self._decoded(str(answer.get("id_token")))
            claims = CodeIDToken(token.claims, token.header, options, params)
            claims.validate(now=int(self._now()), leeway=LEEWAY_S)
        except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise LoginError(f"the identity provider's word does not hold: {_plain(str(error))}") from error
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise LoginError("the identity provider does not say who it is")
        return dict(claims)

    def _decoded(self, text: str) -> jwt.Token:
        registry = JWSRegistry(algorithms=ALGORITHMS)
        if self._keys is not None:
            try:
                return jwt.decode(text, self._keys, registry=registry)
            except InvalidKeyIdError:
                pass  # the provider has new keys
        self._keys = KeySet.import_key_set(self._get(self._described()["jwks_uri"]))  # type: ignore[arg-type]
        return jwt.decode(text, self._keys, registry=registry)

    def _role(self, claims: Mapping[str, Any], answer: Mapping[str, Any]) -> Role:
        values = _values(claims, self._provider.claim)
        endpoint = self._described().get("userinfo_endpoint")
        if not values and endpoint:
            _check_url(endpoint, "userinfo_endpoint")
            headers = {"Authorization": f"Bearer {answer.get('access_token')}"}
            more = self._json("GET", endpoint, headers=headers)
            values = _values(more, self._provider.claim) if more.get("sub") == claims["sub"] else []
        roles = [self._provider.roles[value] for value in values if value in self._provider.roles]
        if not roles:
            raise LoginError(
                f"the identity provider gives no role here: no known value in the claim {self._provider.claim}"
            )
        return max(roles, key=RANKS.__getitem__)

    def _get(self, url: str) -> dict[str, Any]:
        return self._json("GET", url)

    def _json(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        try:
            response = self._client.request(
                method, url, headers={"Accept": "application/json"} | request.pop("headers", {}), **request
            )
            document = response.json() if len(response.content) <= MOST_BYTES else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            raise LoginError(f"the identity provider cannot be asked: {_plain(str(error))}") from error
        if not isinstance(document, dict):
            raise LoginError(f"the identity provider answers with {response.status_code} and no JSON object")
        if response.status_code != 200:
            reason = document.get("error_description") or document.get("error") or response.status_code
            raise LoginError(f"the identity provider refuses: {_plain(str(reason))}")
        return document


def _roles(table: object, path: Path) -> dict[str, Role]:
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: roles is a table: 'a value of the claim' = 'see', 'operate' or 'manage'")
    for value, role in table.items():
        if role not in list(Role):
            raise ConfigError(f"{path}: roles: {value!r} is {role!r}, and should be see, operate or manage")
    return {value: Role(role) for value, role in table.items()}


def _check_url(url: object, what: str) -> None:
    """A secret or a key goes over TLS, or stays on this machine."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        is_safe = bool(parts.hostname) and (parts.scheme == "https" or is_loopback_name(parts.hostname or ""))
    except ValueError:
        is_safe = False
    if not is_safe:
        raise ConfigError(f"{what} is {url!r}, and should begin with https://")


def _unpacked(cookie: str | None) -> tuple[str, str, str, int, str]:
    try:
        state, nonce, verifier, until, goal = json.loads(unquote(cookie or ""))
        if not all(isinstance(text, str) for text in (state, nonce, verifier, goal)) or len(state) < 32:
            raise ValueError
        return state, nonce, verifier, int(until), goal
    except (ValueError, TypeError, RecursionError) as error:
        raise LoginError("this browser has begun no login, or keeps no cookies; begin again") from error


def _values(claims: Mapping[str, Any], claim: str) -> list[str]:
    """The values of a claim, one or several, also of a claim in a claim (`realm_access.roles`)."""
    value: Any = claims.get(claim)
    if value is None:
        value = claims
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]


def _plain(text: str) -> str:
    """A stranger's words, short and in one line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:200]
