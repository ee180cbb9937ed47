"""Errors of the updates, one for each cause; each text is one line that names the input and the remedy."""

from typing import Any


class UpdatesError(Exception):
    """Base of every error of this room."""


class BundleError(UpdatesError):
    """A folder is no bundle that a fleet could be given."""


class RenewalError(UpdatesError):
    """There is no certificate that the board may be given."""


class FleetError(UpdatesError):
    """The boards, their stages or their limits cannot be as they were asked for."""


class JobError(UpdatesError):
    """There is no such job, or it cannot be what it was asked to become."""


class StoreError(UpdatesError):
    """The store cannot be opened, read or written, or another service has it."""


class IdentityError(UpdatesError):
    """The service's certificate or key cannot be read, or the broker does not take it."""


class RequestError(UpdatesError):
    """A board asked for what it does not get: the documented code, and what else the answer says."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.more = code, message, more
