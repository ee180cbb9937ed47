"""Errors of the certificates, one for each cause."""

from datetime import datetime
from pathlib import Path

USUAL = Path("certs/issued")  # the folder of identities


class CertsError(Exception):
    """Base of every error of this room; its text is one line that names the input and the remedy."""


class NameRefusedError(CertsError):
    """The name cannot be a thing's or a server's."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"name {name!r}: {why}")
        self.name = name


def out_of(folder: Path) -> str:
    """What a command takes besides, to work in this folder of identities and not in the one it takes without."""
    return "" if folder == USUAL else f" --out {folder}"


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
        super().__init__(
            f"{thing_name!r} has no identity in {folder}; issue one with: "
            f"python -m certs issue --things {thing_name}{out_of(folder)}"
        )
        self.thing_name = thing_name


class NothingToRevokeError(CertsError):
    """No certificate of this name was ever issued here, so none can be refused."""

    def __init__(self, thing_name: str, folder: Path) -> None:
        super().__init__(f"{thing_name!r} was never issued in {folder}; name the folder of its identity with --out")
        self.thing_name = thing_name


class AwsRefusedError(CertsError):
    """AWS could not be asked, or did not answer: no credentials, no region, no network, no right."""

    def __init__(self, why: str) -> None:
        super().__init__(f"AWS: {why}; check credentials (AWS_PROFILE), --region and the network")


class NotRegisteredError(CertsError):
    """AWS IoT knows no such thing, or the thing has no certificate."""

    def __init__(self, thing_name: str, region: str) -> None:
        super().__init__(f"{thing_name!r} is not registered in AWS IoT, {region}; is number_of_gateways large enough?")
        self.thing_name = thing_name


class RevokedError(CertsError):
    """No certificate of the thing is ACTIVE: nobody would let it in."""

    def __init__(self, thing_name: str, status: str) -> None:
        super().__init__(
            f"{thing_name!r}: its certificate is {status}; make another one, python -m certs rotate {thing_name}, or, "
            f"if it was revoked here, python -m certs issue --things {thing_name}, and apply Terraform again"
        )
        self.thing_name = thing_name


class NoKeyError(CertsError):
    """Secrets Manager has no private key of the thing."""

    def __init__(self, secret_name: str) -> None:
        super().__init__(
            f"no secret {secret_name!r} in Secrets Manager; check --environment and keys_in_secrets_manager"
        )
        self.secret_name = secret_name


class MismatchError(CertsError):
    """The private key and the certificates of the thing are not a pair."""

    def __init__(self, thing_name: str) -> None:
        super().__init__(f"{thing_name!r}: key and certificate do not match; rotate it, and apply Terraform again")
        self.thing_name = thing_name


class KeyOnBoardError(CertsError):
    """Only the board has the private key of its identity: it renewed itself."""

    def __init__(self, thing_name: str) -> None:
        super().__init__(
            f"{thing_name!r} has its key on its board alone; for another board: python -m certs rotate {thing_name}, "
            f"and apply Terraform again"
        )
        self.thing_name = thing_name


class RevokedThingError(CertsError):
    """The thing was revoked, or the key was one of a thing that was: nothing is certified for it."""

    def __init__(self, thing_name: str, what: str = "it", remedy: str = "") -> None:
        new = f"a board in its place gets a new identity and new spares: python -m certs issue --things {thing_name}"
        super().__init__(f"{thing_name!r}: {what} was revoked; {remedy or new}")
        self.thing_name = thing_name


class SparesError(CertsError):
    """The thing's spare keys are not as the command needs them; the text says what to do."""

    def __init__(self, thing_name: str, why: str) -> None:
        super().__init__(f"{thing_name!r}: {why}")
        self.thing_name = thing_name


class PendingRenewalError(CertsError):
    """The thing has a next certificate that is not settled."""

    def __init__(self, thing_name: str, spare: int, serial: str, expires_at: datetime) -> None:
        super().__init__(
            f"{thing_name!r} has a next certificate, spare {spare}, serial {serial}, until {expires_at:%Y-%m-%d}; "
            f"settle or withdraw it first, by the serial that the board's status shows"
        )
        self.thing_name, self.serial = thing_name, serial


class ForeignIdentityError(CertsError):
    """The thing's certificate is not of the CA in this folder, or there is none: what it signs, nobody would take."""

    def __init__(self, thing_name: str, folder: Path) -> None:
        super().__init__(
            f"{thing_name!r} was not issued by the CA of {folder}; name the folder where it was with --out"
        )
        self.thing_name = thing_name


class NothingToSettleError(CertsError):
    """The thing has no next certificate."""

    def __init__(self, thing_name: str) -> None:
        super().__init__(f"{thing_name!r} has no next certificate; make one: python -m certs renew {thing_name}")
        self.thing_name = thing_name


class NotSeenError(CertsError):
    """The board was not seen with the certificate that the command is about to make its only one."""

    def __init__(self, thing_name: str, serial: str, other: str, why: str) -> None:
        super().__init__(f"{thing_name!r}: --seen {serial} is not {other}; {why}")
        self.thing_name = thing_name
