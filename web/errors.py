"""Errors of the servers, one for each cause; each text is one sentence that names the input and the remedy.

Those with a `status` may be shown to whoever asked, as `{"error": sentence}` or as a page.
"""

from collections.abc import Mapping


class WebError(Exception):
    """Base of every error of a server; `status` is HTTP's number for it, `headers` what the answer carries with it."""

    status = 500

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the answer."""
        return {}


class FileError(WebError):
    """The file of users and sessions cannot be read or written, or is of another version."""


class ListenError(WebError):
    """The server cannot listen as it was asked to: address, port, certificate, or nobody to let in."""


class ConfigError(WebError):
    """A configuration asks for something that cannot be."""


class RightsError(WebError):
    """A route stands in no table of rights, or a row of the table has no route."""


class AccessError(WebError):
    """A user or token cannot be as it was asked: name taken or unknown, password too short."""

    status = 422


class LoginError(WebError):
    """Name and password do not fit, or an identity provider's word for somebody does not hold."""

    status = 401


class AttemptsError(LoginError):
    """Too many attempts; the next one is heard in `retry_after_s` seconds."""

    status = 429

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many attempts to log in; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> Mapping[str, str]:
        """When to come again."""
        return {"Retry-After": str(self.retry_after_s)}


class RequestError(WebError):
    """A request that no route gets to see: from elsewhere, too large, from nobody, or from somebody who may not."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self._headers = dict(headers or {})

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the answer."""
        return self._headers
