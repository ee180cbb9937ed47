"""The error of job files."""

from collections.abc import Sequence

from provisioning.errors import ProvisioningError


class JobFileError(ProvisioningError):
    """A job cannot be generated; `mistakes` has a line for each: file, line, place, value and remedy."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)
