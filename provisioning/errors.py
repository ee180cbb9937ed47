"""Errors of the provisioning service, one for each cause; each text is one line that names the input and the remedy.

Those with a `status` are told to whoever asked, as `{"error": sentence}` with what `more` holds beside it.
"""

from typing import Any


class ProvisioningError(Exception):
    """Base of every error of this room; `status` is HTTP's number for it."""

    status = 500

    def __init__(self, sentence: str, **more: Any) -> None:
        super().__init__(sentence)
        self.more = more


class FolderError(ProvisioningError):
    """The folder of the data cannot be used: not writable, of another service, or too long for a socket in it."""


class BackupError(ProvisioningError):
    """A backup that cannot be brought back: none there, or the folder is in use."""


class ScheduleError(ProvisioningError):
    """A line of cron that is none."""


class InputError(ProvisioningError):
    """What was asked for cannot be: a name, code or archive that is none."""

    status = 422


class TooLargeError(ProvisioningError):
    """Code or archive above its limit."""

    status = 413


class UnknownError(ProvisioningError):
    """There is no such project or job, or none that this key may know of."""

    status = 404


class ForbiddenError(ProvisioningError):
    """The key may not do this."""

    status = 403


class ConflictError(ProvisioningError):
    """The project or the job is in no state for this: `jobId` names the job in the way, where there is one."""

    status = 409


class MissingTerraformError(ProvisioningError):
    """There is no terraform to run."""

    status = 503


class CloudError(ProvisioningError):
    """AWS does not answer, or does not let the service in."""

    status = 502


class KeyNameError(ProvisioningError):
    """A key cannot be as it was asked: name taken or none, unknown scope or farm."""

    status = 422


class CallError(ProvisioningError):
    """The command line's call was refused by the service, or did not reach it."""
