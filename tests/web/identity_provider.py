"""A small identity provider of its own: Authlib's server side, on a port of its own, with knobs for lies."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Response, jsonify
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "pythoflow", "a secret: with / and é"


class Client:
    """The one client that is registered."""

    client_id = CLIENT_ID

    def __init__(self, redirect_uri: str, auth_method: str) -> None:
        self.redirect_uri, self.auth_method = redirect_uri, auth_method

    def get_client_id(self) -> str:
        """Its name."""
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        """Where browsers go back to."""
        return self.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        """Whatever it asks for."""
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """To the letter."""
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, secret: str) -> bool:
        """To the letter."""
        return secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """By the method that was agreed upon."""
        return method == self.auth_method

    def check_response_type(self, response_type: str) -> bool:
        """Codes only."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Codes only."""
        return grant_type == "authorization_code"


@cache
def new_key(name: str) -> RSAKey:
    """A key of that name; made once, since it takes a while."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


@dataclass
class Code:
    """One that was given out, and for what."""

    code: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        """As it was asked with."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """As it was asked with."""
        return self.scope

    def get_nonce(self) -> str:
        """As it was asked with."""
        return self.nonce

    def get_auth_time(self) -> int:
        """Just now."""
        return int(time.time())

    def get_acr(self) -> None:
        """Not told."""

    def get_amr(self) -> None:
        """Not told."""


@dataclass
class IdentityProvider:
    """What it says of whoever logs in, and in what it lies."""

    issuer: str
    auth_method: str = "client_secret_basic"
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "u1", "preferred_username": "ana"})
    userinfo: dict[str, Any] | None = None
    discovery: dict[str, Any] = field(default_factory=dict)
    token: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
    key: RSAKey = field(default_factory=lambda: new_key("k1"))
    codes: dict[str, Code] = field(default_factory=dict)
    redirect_uri: str = ""

    def document(self) -> dict[str, Any]:
        """What it says of itself."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": [self.auth_method],
            **self.discovery,
        }

    def sign(self, claims: dict[str, Any]) -> str:
        """The token that vouches for somebody."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def app(self) -> Flask:
        """Its pages."""
        app = Flask("identity_provider")
        server = AuthorizationServer(app, lambda _: Client(self.redirect_uri, self.auth_method), lambda *_: None)
        server.register_grant(self._code_grant(), [self._open_id(), CodeChallenge(required=True)])

        @app.get("/.well-known/openid-configuration")
        def discovery() -> Response:
            return jsonify(self.document())

        @app.get("/keys")
        def keys() -> Response:
            return jsonify(KeySet([self.key]).as_dict(private=False))

        @app.get("/userinfo")
        def userinfo() -> Response:
            return jsonify(self.userinfo or {})

        @app.get("/authorize")
        def authorize() -> Any:  # whoever comes is logged in already, and agrees
            grant = server.get_consent_grant(end_user=self.person["sub"])
            return server.create_authorization_response(grant_user=self.person["sub"], grant=grant)

        @app.post("/token")
        def token() -> Any:
            return server.create_token_response()

        return app

    def _code_grant(self) -> type:
        provider = self

        class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

            def save_authorization_code(self, code: str, oauth: Any) -> None:
                data = oauth.payload.data
                provider.codes[code] = Code(
                    code,
                    oauth.payload.redirect_uri,
                    oauth.payload.scope,
                    data.get("nonce"),
                    data.get("code_challenge"),
                    data.get("code_challenge_method"),
                )

            def query_authorization_code(self, code: str, client: Client) -> Code | None:
                return provider.codes.get(code)

            def delete_authorization_code(self, code: Code) -> None:
                del provider.codes[code.code]

            def authenticate_user(self, code: Code) -> str:
                return str(provider.person["sub"])

        return CodeGrant

    def _open_id(self) -> Any:
        provider = self

        class OpenId(OpenIDCode):  # type: ignore[misc]
            def exists_nonce(self, nonce: str, oauth: Any) -> bool:
                return False

            def resolve_client_private_key(self, client: Client) -> RSAKey:
                return provider.key

            def encode_id_token(self, token: dict[str, Any], oauth: Any) -> str:
                now = int(time.time())
                claims = {"iss": provider.issuer, "aud": [CLIENT_ID], "iat": now, "exp": now + 300, **provider.person}
                claims["nonce"] = oauth.authorization_code.nonce
                return provider.sign(provider.token(claims))

        return OpenId()


@contextmanager
def running_provider() -> Iterator[IdentityProvider]:
    """One that answers on a port of its own."""
    provider = IdentityProvider(issuer="")
    server = make_server("127.0.0.1", 0, provider.app(), threaded=True)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
