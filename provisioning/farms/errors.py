"""Errors of the farms, one for each cause; each text names the field and the remedy."""

from collections.abc import Sequence

from provisioning.errors import ConflictError, InputError, ProvisioningError


class CnpjError(InputError):
    """A text that is no CNPJ."""


class NamesError(InputError):
    """Resources cannot be called so: too long, of wrong letters, or as somebody else's; `mistakes` has the lines."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)


class FarmSpecError(InputError):
    """What was written of a farm cannot be used; `mistakes` has a line for each: field, value and remedy."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)


class TakenError(ConflictError):
    """There is a record of this name already: somebody else was first."""


class RecordError(InputError):
    """A record that no store keeps: its name, a value's kind, or its size."""


class RecordStoreError(ProvisioningError):
    """The store of the records does not answer, or lets nobody in."""

    status = 502


class SecretError(ProvisioningError):
    """A secret cannot be kept: its store does not answer, or lets nobody in."""

    status = 502


class MissingClientError(ProvisioningError):
    """A cloud's client is not installed."""

    status = 503
