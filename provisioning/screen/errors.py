"""The screen's errors; they end as refusals, and never leave it."""

from provisioning.errors import ProvisioningError


class ScreenError(ProvisioningError):
    """What the screen cannot accept; its text says why."""


class UnreadableError(ScreenError):
    """A file that cannot be read as Terraform reads it."""

    def __init__(self, why: str, line: int = 1) -> None:
        super().__init__(why)
        self.line = line


class UnresolvedError(ScreenError):
    """A value that cannot be followed to texts that are known before `init`."""
