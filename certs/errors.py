"""Errors of the certificates, one for each cause."""

from pathlib import Path


class CertsError(Exception):
    """Base of every error of this room; its text is one line that names the input and the remedy."""


class NameRefusedError(CertsError):
    """The name cannot be a thing's or a server's."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"name {name!r}: {why}")
        self.name = name


class StorageError(CertsError):
    """The folder of identities cannot be read or written."""

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(f"{path}: {cause.strerror or cause}; choose another folder with --out, or make room there")
        self.path = path


class BrokenAuthorityError(CertsError):
    """The CA on disk cannot sign: a file is missing or damaged, or its time is over."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"CA in {folder}: {why}; restore it, or remove the folder and issue every identity again")
        self.folder = folder


class UnknownThingError(CertsError):
    """No identity of this name was ever issued here."""

    def __init__(self, thing_name: str, folder: Path) -> None:
        super().__init__(f"{thing_name!r} has no identity in {folder}; issue one with: python -m certs issue --things")
        self.thing_name = thing_name
