"""A board's identity is renewed where it stands: a certificate for a spare key that it has, beside the old one.

`make_spares` and `hand_over` when the board is set up; then, before its certificate ends, `renew`, and `settle` when
the board was seen with the new one, or `withdraw` when it stayed with the old. Each may be killed at any moment and
given again: until `settle` the old identity is as it was, and from then on the board's own key alone counts.
"""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from certs import spares
from certs.authority import (
    NEXT,
    REVOKED_KEYS,
    SPARE,
    Authority,
    Identity,
    check_thing_name,
    describe,
    id_of,
    next_of,
    serial_of,
)
from certs.errors import (
    CertsError,
    NothingToSettleError,
    NotSeenError,
    RevokedThingError,
    SparesError,
    UnknownThingError,
    out_of,
)
from certs.folder import certificate_files, pem_of, read_certificate, remove_file, remove_files, write_files

PRIVATE = ("private_key.pem", "private_key.der")


class RenewingAuthority(Authority):
    """The local CA, with what renews a board's identity. Every method raises CertsError, of the kind that it names."""

    def make_spares(self, thing_name: str, count: int = spares.MOST, *, again: bool = False) -> Identity:
        """Make the spare keys 1 to `count` of a thing, except those that are there; for a board that is flashed next.

        `again`: the board is flashed anew and has lost its spares; others take their place. Needs no CA in the folder.
        Raises UnknownThingError, RevokedThingError, PendingRenewalError, SparesError if they are on a board.
        """
        folder = self._folder(thing_name)
        with self._locked():
            certificate = self._current(thing_name)
            self._refuse_pending(thing_name)
            if spares.are_on_board(folder) and not again:
                raise SparesError(
                    thing_name,
                    f"its board has its spares, {_words(spares.numbers(folder))}; "
                    f"if the board is flashed anew and loses them, give --again",
                )
            if again:
                for number in spares.numbers(folder):
                    spares.forget(folder, number)
            spares.make(folder, count)
            return describe(folder, certificate)

    def hand_over(self, thing_name: str) -> Identity:
        """Remove the spares' private keys, which are on the board now. Again, it does nothing more.

        Raises UnknownThingError, SparesError if none was made.
        """
        folder = self._folder(thing_name)
        with self._locked():
            certificate = read_certificate(folder)
            if certificate is None:
                raise UnknownThingError(thing_name, self.folder)
            if not spares.numbers(folder):
                raise SparesError(
                    thing_name,
                    f"no spare was made; make some: python -m certs spares {thing_name}{out_of(self.folder)}",
                )
            spares.hand_over(folder)
            return describe(folder, certificate)

    def renew(self, thing_name: str) -> Identity:
        """Certify the next spare beside what counts now, and give the new identity, which is to be settled.

        Raises UnknownThingError, RevokedThingError, PendingRenewalError, SparesError if there is none that the board
        alone has, ForeignIdentityError, BrokenAuthorityError.
        """
        folder = self._folder(thing_name)
        with self._locked():
            before = self._current(thing_name)
            self._refuse_pending(thing_name)
            number, key = self._next_spare(thing_name)
            certificate = self._certify(thing_name, before, key)
            write_files(folder / NEXT, {SPARE: str(number).encode(), **certificate_files(certificate)})
            identity = next_of(folder)
            assert identity is not None
            return identity

    def settle(self, thing_name: str, serial: str) -> Identity:
        """Make the next certificate, which the board was seen with, the thing's only one; all others count no more.

        `serial` is the one that the board's status shows. Again, it does nothing more. Raises UnknownThingError,
        RevokedThingError, NotSeenError, NothingToSettleError.
        """
        folder = self._folder(thing_name)
        with self._locked():
            before, certificate = self._current(thing_name), read_certificate(folder / NEXT)
            if certificate is None:
                return self._already(thing_name, before, serial)
            if _number(serial) != certificate.serial_number:
                why = f"the board is still with the old one, or this is not its status; its own is {serial_of(before)}"
                raise NotSeenError(thing_name, serial, f"its next one, {serial_of(certificate)}", why)
            if self._is_revoked(certificate):
                own = serial_of(before)
                remedy = f"give it up: python -m certs withdraw {thing_name} --seen {own}{out_of(self.folder)}"
                raise RevokedThingError(thing_name, "its next certificate", remedy)
            self._remember(thing_name, before)
            write_files(folder, certificate_files(certificate))
            self._make_only(thing_name, certificate)
            return describe(folder, certificate)

    def withdraw(self, thing_name: str, serial: str) -> Identity:
        """Let the next certificate count no more, and its spare be none; for a board that was seen with the old one.

        Raises UnknownThingError, RevokedThingError, NotSeenError, NothingToSettleError.
        """
        folder = self._folder(thing_name)
        with self._locked():
            certificate, unsettled, identity = (
                self._current(thing_name),
                read_certificate(folder / NEXT),
                next_of(folder),
            )
            if identity is None and not (folder / NEXT).exists():
                raise NothingToSettleError(thing_name)
            if unsettled == certificate or _number(serial) != certificate.serial_number:
                why = "a board that has the next one would be locked out; settle it then"
                raise NotSeenError(thing_name, serial, f"the one before, {serial_of(certificate)}", why)
            if identity is not None and unsettled is not None:  # else a crash has left the rest of it
                self._revoke({id_of(unsettled): pem_of(unsettled)})
                spares.forget(folder, identity.spare)
            remove_files(folder / NEXT)
            return describe(folder, certificate)

    def _folder(self, thing_name: str) -> Path:
        check_thing_name(thing_name)
        return self.folder / thing_name

    def _current(self, thing_name: str) -> x509.Certificate:
        """The certificate that counts now."""
        certificate = read_certificate(self.folder / thing_name)
        if certificate is None:
            raise UnknownThingError(thing_name, self.folder)
        if self._is_revoked(certificate):
            raise RevokedThingError(thing_name)
        return certificate

    def _next_spare(self, thing_name: str) -> tuple[int, ec.EllipticCurvePublicKey]:
        folder = self.folder / thing_name
        if unsent := spares.numbers(folder, "der"):
            raise SparesError(
                thing_name,
                f"the private keys of its spares {_words(unsent)} are here still; flash them, then: "
                f"python -m certs spares {thing_name} --handed-over{out_of(self.folder)}",
            )
        numbers = spares.numbers(folder)
        key = spares.read(folder, numbers[0]) if numbers else None
        out = out_of(self.folder)
        if key is None:
            raise SparesError(
                thing_name,
                f"no spare is left; give its board a new key and new spares by USB: "
                f"python -m certs rotate {thing_name}{out}, python -m certs spares {thing_name}{out}, then flash it",
            )
        if (self.folder / REVOKED_KEYS / f"{spares.id_of(key)}.pem").exists():
            remedy = (
                f"make others for a board that is flashed next: "
                f"python -m certs spares {thing_name} --again{out_of(self.folder)}"
            )
            raise RevokedThingError(thing_name, f"the board that has its spare {numbers[0]}", remedy)
        return numbers[0], key

    def _already(self, thing_name: str, certificate: x509.Certificate, serial: str) -> Identity:
        """What a repeated settle gives; what a crash has left of the next folder goes."""
        folder = self.folder / thing_name
        if _number(serial) != certificate.serial_number or not spares.is_key_on_board(folder, certificate):
            raise NothingToSettleError(thing_name)
        remove_files(folder / NEXT)
        return describe(folder, certificate)

    def _make_only(self, thing_name: str, certificate: x509.Certificate) -> None:
        """The next folder goes last: while it is there, the same settle does all of it again."""
        folder, identity = self.folder / thing_name, next_of(self.folder / thing_name)
        assert identity is not None
        spares.use(folder, identity.spare, certificate)
        self._revoke({name: pem for name, pem in self._history(thing_name).items() if name != id_of(certificate)})
        for name in PRIVATE:
            remove_file(folder / name)
        remove_files(folder / NEXT)


def _number(serial: str) -> int:
    """The number that a text of hexadecimal digits stands for, with or without colons."""
    try:
        return int(serial.replace(":", ""), 16)
    except ValueError as error:
        raise CertsError(f"--seen {serial!r}: want a serial number, as the board's status shows it") from error


def _words(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
