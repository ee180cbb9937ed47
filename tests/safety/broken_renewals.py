"""Renewals that are each a little wrong: the explorer must catch them."""

from gateway import der
from gateway.renewal import OWN, STARTS, Renewal
from gateway.store import FileStore


class NoTrial(Renewal):
    """The new certificate is the board's before the broker has taken it."""

    def prepare(self, gateway_id: str, number: int, certificate: bytes) -> str | None:
        why = super().prepare(gateway_id, number, certificate)
        if why == "":
            self.keep()
        return why


class InPlace(Renewal):
    """What is tried is written over what is good."""

    def _fill(self, certificate: bytes, key: bytes) -> None:
        super()._fill(certificate, key)
        for name, data in zip(OWN, (key, certificate), strict=True):
            self._files.save(name, data)


class NoCount(Renewal):
    """A trial has starts without end."""

    def _save(self, state: str, starts: int) -> None:
        super()._save(state, min(starts, STARTS - 1))


class FilesBeforeTheMark(Renewal):
    """The files are put in place, and only then the mark says so."""

    def keep(self) -> None:
        if self._mark.get("state") == "trial":
            tried = FileStore(self._folder + "/next")
            for name in OWN:
                self._files.save(name, tried.load(name) or b"")
            super().keep()


class RemovedTooSoon(Renewal):
    """What was tried goes before it is in its place."""

    def _finish(self) -> None:
        tried = FileStore(self._folder + "/next")
        found = {name: tried.load(name) for name in OWN}
        for name in OWN:
            tried.remove(name)
        for name, data in found.items():
            self._files.save(name, data or b"")
        self._slots.save({})
        self._mark = {}


class AnyKey(Renewal):
    """A certificate is tried whoever has its key."""

    def prepare(self, gateway_id: str, number: int, certificate: bytes) -> str | None:
        right = der.is_for
        der.is_for = lambda *_: True
        try:
            return super().prepare(gateway_id, number, certificate)
        finally:
            der.is_for = right


BROKEN_RENEWALS = (NoTrial, InPlace, NoCount, FilesBeforeTheMark, RemovedTooSoon, AnyKey)
