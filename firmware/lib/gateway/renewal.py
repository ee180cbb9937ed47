"""Another certificate for a board, for a spare key that only it has: tried first, kept when the broker has taken it.

In memory only while there is one. `/certs/next` has the files that are tried; a mark in two slots says how far it is:
on trial, for good, or failed. Before it says good the old identity is whole, and from then on the new one.
"""

import asyncio
import binascii
import hashlib
import os

from gateway import der
from gateway.errors import StorageError
from gateway.store import FileStore, TwoSlots

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from typing import Any

STARTS = 5  # on trial
TRIES = 5  # to connect, with Wi-Fi and the time
TRIAL_S = 3600  # with both of them
OWN = ("private_key.der", "certificate.der")


class Renewal:
    """What is known of it on the flash below `root`. Raises StorageError."""

    def __init__(self, root: str) -> None:
        self._folder = root + "/certs"
        self._files = FileStore(self._folder)
        self._slots = TwoSlots(self._files, "renewal")
        self._mark: dict[str, Any] = self._slots.load() or {}

    def chosen(self) -> str:
        """The folder whose identity is this start's; a trial has so many starts."""
        state = self._mark.get("state")
        try:
            if state == "good":
                self._finish()
            elif state == "trial":
                self._save("trial" if self._mark["starts"] < STARTS else "failed", self._mark["starts"] + 1)
            is_next = self._mark.get("state") == "trial"
        except StorageError:  # a start that cannot be counted is none, and what is good is whole where it was tried
            is_next = self._mark.get("state") == "good"
        return self._folder + ("/next" if is_next else "")

    def prepare(self, gateway_id: str, number: int, certificate: bytes) -> "str | None":  # noqa: PLR0911  # a list of cases
        """Have a certificate for a spare tried: "" is a restart, None that it is the board's already, else why not."""
        key = self._files.load(f"spare_{number}.der") or b""
        try:
            fits = der.is_for(certificate, key, gateway_id)
        except ValueError:
            return "document"
        if certificate == self._files.load("certificate.der"):
            return None
        digest = binascii.hexlify(hashlib.sha256(certificate).digest()).decode()
        if self._mark.get("digest") == digest:
            if self._mark["state"] == "failed":
                return "refused"
            if self._mark["starts"]:
                self.keep()
                return None
            return ""
        if self._mark.get("starts"):
            self.keep()  # over the one on trial this job has come
        if not fits:
            return "key"
        self._fill(certificate, key)
        self._mark = {"spare": number, "digest": digest}
        self._save("trial", 0)
        return ""

    def keep(self) -> None:
        """The broker has taken it: it is this board's for good."""
        if self._mark.get("state") == "trial":
            self._save("good", 0)
            self._finish()

    def give_up(self) -> None:
        """The old one again, from the next start on."""
        self._save("failed", 0)

    def _save(self, state: str, starts: int) -> None:
        self._mark.update({"state": state, "starts": starts})
        self._slots.save(self._mark)

    def _fill(self, certificate: bytes, key: bytes) -> None:
        """Everything that a connection with the next identity reads."""
        if "next" not in os.listdir(self._folder):
            os.mkdir(self._folder + "/next")
        root = self._files.load("root_ca.der") or b""
        for name, data in (("certificate.der", certificate), ("private_key.der", key), ("root_ca.der", root)):
            self._files.save("next/" + name, data)

    def _finish(self) -> None:
        """Put the new files in the place of the old ones, and forget used and older spares; done again after a cut."""
        tried = FileStore(self._folder + "/next")
        for name in OWN:
            data = tried.load(name)
            if data:
                self._files.save(name, data)
        for number in range(1, self._mark["spare"] + 1):
            self._files.remove(f"spare_{number}.der")
        self._slots.save({})
        self._mark = {}
        for name in OWN:
            tried.remove(name)


async def watch(this: "Any", gateway: "Any", clock: "Any") -> None:
    """Keep the identity on trial when the broker has taken it; else begin again with the old one."""
    renewal, tries, seconds, before = Renewal(this.root), 0, 0, 0
    tried = renewal._mark.get("digest")
    while tries < TRIES and seconds < TRIAL_S:
        await asyncio.sleep(1)
        if gateway.online():
            try:
                renewal = Renewal(this.root)  # another job may have come meanwhile
                if renewal._mark.get("digest") == tried:
                    renewal.keep()
            except StorageError:
                pass  # the next start tries it again
            return
        attempts = gateway._client.attempts
        if this.wifi.joined.is_set() and clock.trusted():
            tries, seconds = tries + max(0, attempts - before), seconds + 1
        before = attempts
    renewal.give_up()
    while this._valves.any_open():
        await asyncio.sleep(1)
    this.restart()
