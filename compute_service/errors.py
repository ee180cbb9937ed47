"""Errors of the compute service, one for each cause; each says what is wrong and what to do about it."""

from os import PathLike


class ComputeError(Exception):
    """Base of every error that a person who runs the service can cause and cure."""


class ConfigError(ComputeError):
    """A configuration file cannot be used; `mistakes` has one line for each mistake found in it."""

    def __init__(self, path: PathLike[str], mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.path = path
        self.mistakes = mistakes


class CertificateError(ComputeError):
    """The certificate folder is incomplete, or its files do not fit together."""


class ConnectError(ComputeError):
    """The broker cannot be reached, or it refused this identity or one of its subscriptions."""


class PublishError(ComputeError):
    """A publish was given up although the connection was not being closed."""


class StoreError(ComputeError):
    """The store cannot be opened, read or written."""


class OrderError(ComputeError):
    """An order that cannot be obeyed; the sentence says why, and what could."""


class AlarmError(ComputeError):
    """An alarm that cannot be acknowledged, for there is none; the sentence says which there are."""
