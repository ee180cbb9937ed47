"""A local certificate authority on ECDSA P-256, and the folders of identities that it issues.

Each identity is a folder `<root>/<name>/`, see `certs.folder`. The CA's own key and certificate are in `<root>/ca/`,
with every certificate that it issued, `issued/<name>/<id>.pem`, and of these again what it revoked, `revoked/<id>.pem`;
`revoked_keys/<id>.pem` are the spare keys of what was revoked, which are never certified.
"""

import fcntl
import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs import spares
from certs.errors import (
    BrokenAuthorityError,
    ForeignIdentityError,
    NameRefusedError,
    NothingToRevokeError,
    PendingRenewalError,
    StorageError,
    UnknownThingError,
)
from certs.folder import (
    holds,
    identity_files,
    load_certificate,
    pkcs8,
    public_files,
    read_certificate,
    read_file,
    read_key,
    remove_files,
    write_files,
)

CA_LIFE = timedelta(days=3652)
IDENTITY_LIFE = timedelta(days=730)  # macOS refuses a server's certificate that is longer than 825 days
RENEW_BEFORE = timedelta(days=30)
BACKDATE = timedelta(hours=1)  # a peer whose clock is slow still accepts a certificate issued just now
CA = "ca"
REVOKED = Path(CA) / "revoked"  # a file `<certificate id>.pem` for each certificate that counts no more
REVOKED_KEYS = Path(CA) / "revoked_keys"  # a file `<id of the key>.pem` for each spare of what was revoked
NEXT = "next"
SPARE = "spare.txt"

_PEM = serialization.Encoding.PEM
_THING = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*")
_CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
_SERVER = ExtendedKeyUsageOID.SERVER_AUTH


def _real_now() -> datetime:
    return datetime.now(UTC)  # TLS judges validity by the real clock, so field time has no say here


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What `show` tells of one issued certificate."""

    name: str
    folder: Path
    expires_at: datetime
    certificate_id: str  # SHA-256 of the DER in hex: the id that AWS IoT gives the same certificate
    serial: str  # as the status of a board tells it: upper-case hex
    is_key_on_board: bool = False  # and nowhere else
    spares: tuple[int, ...] = ()  # that no certificate was made for
    unsent: tuple[int, ...] = ()  # spares whose private keys lie here still
    next: "Identity | None" = None  # not settled yet
    spare: int = 0  # of a next one: which spare it is for


@dataclass(frozen=True)
class _Request:
    """What a certificate shall say: whose it is, what it is for, and under which addresses a server answers."""

    name: str
    usage: x509.ObjectIdentifier
    alternatives: tuple[x509.GeneralName, ...] = ()


class Authority:
    """The local CA in one folder. Creates itself on first use; safe to use from several processes at once."""

    def __init__(self, folder: Path | str, now: Callable[[], datetime] = _real_now) -> None:
        self.folder = Path(folder)
        self._now = now

    def issue(self, thing_name: str) -> Path:
        """Return the folder of the thing's identity, issued now unless a valid one of this CA is there.

        What a board renews by itself stays as it is until its end. Raises NameRefusedError, StorageError,
        BrokenAuthorityError.
        """
        check_thing_name(thing_name)
        return self._issue(_Request(thing_name, _CLIENT))

    def issue_server(self, names: Sequence[str]) -> Path:
        """Return the folder, named after the first name, of a server's identity for these DNS names and IP addresses.

        Raises NameRefusedError, StorageError, BrokenAuthorityError.
        """
        if not names:
            raise NameRefusedError("", "a server needs a DNS name or an IP address at least")
        return self._issue(_Request(names[0], _SERVER, tuple(_general_name(name) for name in names)))

    def rotate(self, thing_name: str) -> Path:
        """Replace the thing's key and certificate although they are still valid, and return its folder.

        Its spares go, too: they are of the board that had the key before. Raises NameRefusedError, UnknownThingError,
        PendingRenewalError, StorageError, BrokenAuthorityError.
        """
        check_thing_name(thing_name)
        if (read_certificate(self.folder / thing_name) or self._lost(thing_name)) is None:
            raise UnknownThingError(thing_name, self.folder)
        self._refuse_pending(thing_name)
        return self._issue(_Request(thing_name, _CLIENT), reuse=False)

    def revoke(self, thing_name: str) -> list[str]:
        """Let no certificate of the thing count any more, nor any spare; remove the keys; gives the certificates' ids.

        The gate refuses them from then on. Again, it does nothing more. A later `issue` makes a new identity.
        Raises NameRefusedError, NothingToRevokeError, StorageError.
        """
        check_thing_name(thing_name)
        folder = self.folder / thing_name
        with self._locked():
            certificates = self._history(thing_name)
            if (current := read_certificate(folder)) is not None:  # also of before there was a history
                certificates[id_of(current)] = current.public_bytes(_PEM)
            if not certificates:
                raise NothingToRevokeError(thing_name, self.folder)
            self._revoke(certificates)
            keys = spares.public_keys(folder)
            write_files(self.folder / REVOKED_KEYS, {f"{name}.pem": pem for name, pem in keys.items()})
            remove_files(folder)
        return sorted(certificates)

    def identities(self) -> list[Identity]:
        """List what was issued here, the CA included, by name. Raises StorageError if there is no such folder."""
        try:
            folders = sorted(path for path in self.folder.iterdir() if path.is_dir())
        except OSError as error:
            raise StorageError(self.folder, error) from error
        certificates = ((folder, read_certificate(folder)) for folder in folders)
        return [describe(folder, certificate) for folder, certificate in certificates if certificate is not None]

    def days_left(self, identity: Identity) -> int:
        """Whole days until an identity's end; less than 0 when it is over."""
        return (identity.expires_at - self._now()) // timedelta(days=1)

    def _issue(self, request: _Request, reuse: bool = True) -> Path:
        folder = self.folder / request.name
        with self._locked():
            ca, ca_key = self._own()
            if not (reuse and (self._is_valid(request, ca) or self._is_the_boards(request, ca))):
                remove_files(folder / NEXT)
                spares.drop(folder)
                key = ec.generate_private_key(ec.SECP256R1())
                certificate = self._sign(request, key.public_key(), ca, ca_key)
                self._remember(request.name, certificate)
                write_files(folder, identity_files(request.name, key, certificate, ca))
        return folder

    def _history(self, name: str) -> dict[str, bytes]:
        """Every certificate that was issued for the name, in PEM, by id. Raises StorageError."""
        return {path.stem: read_file(path) or b"" for path in (self.folder / CA / "issued" / name).glob("*.pem")}

    def _revoke(self, certificates: Mapping[str, bytes]) -> None:
        """Let these count no more: the gate refuses them from now on."""
        write_files(self.folder / REVOKED, {f"{name}.pem": pem for name, pem in certificates.items()})

    def _remember(self, name: str, certificate: x509.Certificate) -> None:
        """Write down what is issued, before anybody has it: so that it can be revoked."""
        history = self.folder / CA / "issued" / name
        write_files(history, {f"{id_of(certificate)}.pem": certificate.public_bytes(_PEM)})

    def _certify(self, thing_name: str, before: x509.Certificate, key: ec.EllipticCurvePublicKey) -> x509.Certificate:
        """A certificate of the thing for a key that is not here, by the CA of the one before; in the history, too."""
        ca = read_certificate(self.folder / CA)
        if ca is None or not _is_issued_by(before, ca):
            raise ForeignIdentityError(thing_name, self.folder)
        certificate = self._sign(_Request(thing_name, _CLIENT), key, *self._own())
        self._remember(thing_name, certificate)
        return certificate

    def _refuse_pending(self, thing_name: str) -> None:
        if (pending := next_of(self.folder / thing_name)) is not None:
            raise PendingRenewalError(thing_name, pending.spare, pending.serial, pending.expires_at)

    def _is_revoked(self, certificate: x509.Certificate) -> bool:
        return (self.folder / REVOKED / f"{id_of(certificate)}.pem").exists()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder: two processes that start together must not create two CAs."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise StorageError(self.folder, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _own(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        folder = self.folder / CA
        if not (folder / "certificate.pem").exists():
            self._create()
        certificate, key = read_certificate(folder), read_key(folder)
        if certificate is None or key is None or certificate.public_key() != key.public_key():
            raise BrokenAuthorityError(folder, "certificate.pem and private_key.pem are not a pair that can be read")
        if certificate.not_valid_after_utc - self._now() < RENEW_BEFORE:
            raise BrokenAuthorityError(folder, f"valid only until {certificate.not_valid_after_utc:%Y-%m-%d}")
        return certificate, key

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _subject("PythoFlow local CA")
        usage = _key_usage(key_cert_sign=True, crl_sign=True)
        certificate = (
            _builder(name, name, key.public_key(), self._now(), CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        # The certificate last: without it the CA counts as not created, and is made anew.
        write_files(
            self.folder / CA, {"private_key.pem": pkcs8(key), "certificate.pem": certificate.public_bytes(_PEM)}
        )

    def _sign(
        self,
        request: _Request,
        key: ec.EllipticCurvePublicKey,
        ca: x509.Certificate,
        ca_key: ec.EllipticCurvePrivateKey,
    ) -> x509.Certificate:
        life = min(IDENTITY_LIFE, ca.not_valid_after_utc - self._now())
        builder = (
            _builder(_subject(request.name), ca.subject, key, self._now(), life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([request.usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        if request.alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(request.alternatives), critical=False)
        return builder.sign(ca_key, hashes.SHA256())

    def _is_valid(self, request: _Request, ca: x509.Certificate) -> bool:
        """True if every file is there, of this CA, of one pair, for this request, and good for another 30 days."""
        folder = self.folder / request.name
        certificate, key = read_certificate(folder), read_key(folder)
        return (
            certificate is not None
            and key is not None
            and certificate.public_key() == key.public_key()
            and certificate.not_valid_after_utc - self._now() >= RENEW_BEFORE
            and not self._is_revoked(certificate)
            and _is_issued_by(certificate, ca)
            and _says(certificate, request)
            and holds(folder, identity_files(request.name, key, certificate, ca))
        )

    def _is_the_boards(self, request: _Request, ca: x509.Certificate) -> bool:
        """True if the board has an identity that it can renew, or is about to: a key from here would lock it out.

        What of the files is no secret is made whole.
        """
        folder = self.folder / request.name
        certificate = read_certificate(folder) or self._lost(request.name)
        if certificate is None or self._is_revoked(certificate) or not _says(certificate, request):
            return False
        has_own_key = spares.is_key_on_board(folder, certificate) or spares.are_on_board(folder)
        is_over = certificate.not_valid_after_utc <= self._now()
        if not _is_issued_by(certificate, ca) or not (next_of(folder) or (has_own_key and not is_over)):
            return False
        if not holds(folder, files := public_files(request.name, certificate, ca)):
            write_files(folder, files)
        return True

    def _lost(self, name: str) -> x509.Certificate | None:
        """The last certificate of the thing that counts and is settled, where its file is damaged or gone."""
        unsettled = read_certificate(self.folder / name / NEXT)
        history = map(load_certificate, self._history(name).values())
        counting = (each for each in history if each and each != unsettled and not self._is_revoked(each))
        return max(counting, key=lambda each: each.not_valid_before_utc, default=None)


def check_thing_name(name: str) -> None:
    """Raise NameRefusedError for what no thing can be called."""
    if not _THING.fullmatch(name):
        raise NameRefusedError(name, "a thing's name is 1 to 64 letters, digits, '_' and '-'")
    if name.lower() == CA:
        raise NameRefusedError(name, "reserved for the CA's own folder")


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if not _HOST.fullmatch(name) or name.lower() == CA or len(name) > 64:
            raise NameRefusedError(name, "want a DNS name or an IP address") from None
        return x509.DNSName(name)


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "PythoFlow"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _is_issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _says(certificate: x509.Certificate, request: _Request) -> bool:
    extensions = {extension.oid: extension.value for extension in certificate.extensions}
    alternatives = extensions.get(x509.SubjectAlternativeName.oid)
    return (
        certificate.subject == _subject(request.name)
        and extensions.get(x509.ExtendedKeyUsage.oid) == x509.ExtendedKeyUsage([request.usage])
        and tuple(alternatives or ()) == request.alternatives
    )


def id_of(certificate: x509.Certificate) -> str:
    """The id that AWS IoT gives the same certificate."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def serial_of(certificate: x509.Certificate) -> str:
    """The serial number as a status tells it, in whole bytes: upper-case hex, no colons."""
    digits = f"{certificate.serial_number:X}"
    return digits.zfill(len(digits) + len(digits) % 2)


def describe(folder: Path, certificate: x509.Certificate) -> Identity:
    """What there is to tell of a thing's folder that has this certificate. Raises StorageError."""
    following = next_of(folder)
    return Identity(
        name=folder.name,
        folder=folder,
        expires_at=certificate.not_valid_after_utc,
        certificate_id=id_of(certificate),
        serial=serial_of(certificate),
        is_key_on_board=spares.is_key_on_board(folder, certificate),
        spares=tuple(number for number in spares.numbers(folder) if following is None or number != following.spare),
        unsent=tuple(spares.numbers(folder, "der")),
        next=following,
    )


def next_of(folder: Path) -> Identity | None:
    """The thing's next certificate; None if there is none. Raises StorageError."""
    certificate = read_certificate(folder / NEXT)
    if certificate is None:
        return None
    return Identity(
        name=folder.name,
        folder=folder / NEXT,
        expires_at=certificate.not_valid_after_utc,
        certificate_id=id_of(certificate),
        serial=serial_of(certificate),
        spare=_spare_number(read_file(folder / NEXT / SPARE) or b""),
    )


def _spare_number(text: bytes) -> int:
    """0, which no spare has, where the file is damaged."""
    return int(text) if text.isdigit() else 0
