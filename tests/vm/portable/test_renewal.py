"""Another certificate for a spare key, on both runtimes: tried before it is kept, and the board can always connect."""

import os
import sys

from gateway import der, renewal, store
from tests.vm.portable.bench import AsyncTestCase
from tests.vm.portable.fake_flash import Flash, PowerCut
from tests.vm.portable.test_der import certificate, element

NAME = "irrigation-gateway-1"
STRIDE = 7 if sys.implementation.name == "micropython" else 1  # of the cuts; the VM is slower


def key(number):
    return b"0secret" + point(number)


def point(number):
    return b"\x04" + bytes([number]) * 64


def issued(number, name=NAME):
    """A certificate for the key of this number; 0 is the board's first one."""
    ends = element(0x17, b"450101000000Z")
    return certificate(ends, bytes([7 + number]), issuer=element(12, name.encode()), bits=b"\x00" + point(number))


class Board:
    """A board over its lives, its broker and its one job."""

    root = ""

    def __init__(self, spare=2, takes=True, document=None):
        files = {"/certs/certificate.der": issued(0), "/certs/private_key.der": key(0), "/certs/root_ca.der": b"root"}
        files.update({f"/certs/spare_{number}.der": key(number) for number in (1, 2, 3)})
        self.flash = Flash(files)
        self.flash.place_in(renewal, store, der)
        self.flash.cut, self.cuts = None, 0
        self.spare, self.takes = spare, takes
        self.certificate = document or issued(spare)
        self.answer = "waits"
        self.used = []  # the certificate of each life

    def leave(self):
        for module in (renewal, store, der):
            module.os = os
            del module.open

    def life(self):
        """From a start to a restart or a rest; True if nothing is left to do."""
        try:
            return self._life()
        except PowerCut:
            self.cuts += 1
            return False

    def _life(self):
        folder = der.own("")
        mine, secret = self.flash.files[folder + "/certificate.der"], self.flash.files[folder + "/private_key.der"]
        assert der.facts(mine)[2] in secret, "an identity of two halves"
        assert self.flash.files[folder + "/root_ca.der"] == b"root"
        self.used.append(mine)
        if folder != "/certs" and not self.takes:
            renewal.Renewal("").give_up()
            return False
        why = renewal.Renewal("").prepare(NAME, self.spare, self.certificate)  # it is online, and asks for its job
        if why == "":
            return False
        self.answer = why
        return True

    def to_the_end(self):
        for _ in range(8):
            if self.life():
                return
        raise AssertionError(f"no end: {self.used}")


class Renewing(AsyncTestCase):
    def setUp(self):
        self.boards = []

    def tearDown(self):
        for board in self.boards[:1]:
            board.leave()

    def board(self, **more):
        self.boards.append(Board(**more))
        return self.boards[-1]


class ARenewal(Renewing):
    def test_it_is_tried_and_kept(self):
        """The second life connects with it; then it is the board's, used and older spares are gone, later ones stay."""
        board = self.board()
        board.to_the_end()
        self.assertEqual((board.used, board.answer), ([issued(0), issued(2)], None))
        board.to_the_end()  # a job that comes again
        self.assertEqual((board.used[-1], board.answer), (issued(2), None))
        self.assertEqual(board.flash.files["/certs/private_key.der"], key(2))
        spares = [name for name in board.flash.below("/certs") if name.startswith("spare")]
        self.assertEqual(spares, ["spare_3.der"])
        self.assertEqual(board.flash.below("/certs/next"), {"root_ca.der": b"root"})

    def test_one_that_the_broker_refuses(self):
        """The old one connects again, says so, and says so again; the next one is taken."""
        board = self.board(takes=False)
        board.to_the_end()
        self.assertEqual((board.used, board.answer), ([issued(0), issued(2), issued(0)], "refused"))
        board.to_the_end()
        self.assertEqual(board.answer, "refused")
        board.spare, board.certificate, board.takes = 3, issued(3), True
        board.to_the_end()
        self.assertEqual((board.used[-1], board.answer), (issued(3), None))

    def test_a_trial_that_never_gets_so_far(self):
        """Five starts, then the old one again: a start may end in anything."""
        board = self.board()
        board.life()
        folders = [der.own("") for _ in range(8)]
        self.assertEqual(folders, ["/certs/next"] * 5 + ["/certs"] * 3)

    def test_a_flash_that_takes_no_writes(self):
        """The old identity starts, at each start; once there is room again the trial goes on."""
        board = self.board()
        board.life()
        board.flash.full = True
        for _ in range(renewal.STARTS + 1):
            self.assertEqual(der.own(""), "/certs")
        board.flash.full = False
        self.assertEqual(der.own(""), "/certs/next")
        renewal.Renewal("")._save("good", 0)
        board.flash.full = True
        self.assertEqual(der.own(""), "/certs/next")  # whole there, whatever of the old one was replaced
        board.flash.full = False
        self.assertEqual((der.own(""), board.flash.files["/certs/certificate.der"]), ("/certs", issued(2)))

    def test_another_job_while_one_is_on_trial(self):
        """The one that connects is kept first; the other has a trial of its own."""
        board = self.board()
        board.life()
        self.assertEqual(der.own(""), "/certs/next")
        watched = renewal.Renewal("")._mark["digest"]
        self.assertEqual(renewal.Renewal("").prepare(NAME, 3, issued(3)), "")
        self.assertEqual(board.flash.files["/certs/certificate.der"], issued(2))
        self.assertEqual(board.flash.files["/certs/next/certificate.der"], issued(3))
        self.assertTrue(renewal.Renewal("")._mark["digest"] != watched)

    def test_a_longer_name(self):
        """A certificate for a gateway whose name only begins as this one's is none of it."""
        board = self.board(document=issued(2, NAME + "0"))
        board.to_the_end()
        self.assertEqual((board.answer, board.used), ("key", [issued(0)]))

    def test_what_is_not_for_this_board(self):
        """A certificate for another key, for another gateway, for a spare that is not there, or none at all."""
        for spare, document, why in (
            (1, issued(2), "key"),
            (2, issued(2, "irrigation-gateway-9"), "key"),
            (5, issued(5), "key"),
            (2, b"0", "document"),
            (2, b"", "document"),
        ):
            board = self.board(spare=spare, document=document or b"0")
            der.own("")  # writes down what a status says
            before = dict(board.flash.files)
            board.to_the_end()
            self.assertEqual((board.answer, board.flash.files), (why, before))


class APowerCut(Renewing):
    def cuts(self, **more):
        """Before each operation of a life without a cut, and within it."""
        whole = self.board(**more)
        whole.to_the_end()
        self.assertTrue(len(whole.flash.done) > 10)
        return [(number, part) for number in range(len(whole.flash.done)) for part in ("before", "torn")][::STRIDE]

    def test_at_every_operation(self):
        """Before it and within it: each life has a whole identity, and the renewal comes to its end."""
        for cut in self.cuts():
            board = self.board()
            board.flash.cut = cut
            board.to_the_end()
            self.assertEqual((board.cuts, board.answer, board.used[-1]), (1, None, issued(2)), cut)
            board.life()
            self.assertEqual(board.flash.files["/certs/certificate.der"], issued(2), cut)
            self.assertFalse("/certs/spare_2.der" in board.flash.files, cut)

    def test_at_every_operation_of_one_that_is_refused(self):
        """The old identity is what is left."""
        for cut in self.cuts(takes=False):
            board = self.board(takes=False)
            board.flash.cut = cut
            board.to_the_end()
            self.assertEqual((board.cuts, board.answer, board.used[-1]), (1, "refused", issued(0)), cut)
            self.assertEqual(board.flash.files["/certs/private_key.der"], key(0), cut)


class Clock:
    def trusted(self):
        return True


class Joined:
    def __init__(self, is_set):
        self.is_set = lambda: is_set


class Trial(Renewing):
    """What watches over a connection on trial."""

    def setUp(self):
        super().setUp()
        self.asyncio = renewal.asyncio
        self.seconds = 0
        self._client = self
        renewal.asyncio = self
        self.tries = lambda: 0
        self.is_online = lambda: False
        self.restarts = 0

    def tearDown(self):
        renewal.asyncio = self.asyncio
        super().tearDown()

    async def sleep(self, seconds):
        self.seconds += seconds
        assert self.seconds < 100_000, "no end"

    def online(self):
        return self.is_online()

    @property
    def attempts(self):
        return self.tries()

    async def watched(self, joined=True):
        """A board on trial, watched to the end; the folder of its next start."""
        board = self.board()
        board.life()
        der.own("")
        board.wifi, board.restart = board, self.restart
        board.joined = Joined(joined)
        board._valves = self
        await renewal.watch(board, self, Clock())
        return der.own(""), board

    def restart(self):
        self.restarts += 1

    def any_open(self):
        return self.seconds < 200  # no restart while a valve is open

    async def test_it_is_kept_when_the_broker_took_it(self):
        """Online with it, it is the board's own, without a restart."""
        self.is_online = lambda: self.seconds > 30
        _, board = await self.watched()
        self.assertEqual((board.flash.files["/certs/certificate.der"], self.restarts), (issued(2), 0))

    async def test_after_five_refusals_the_old_one_is_back(self):
        """Attempts with Wi-Fi and the time; the restart waits for the valves."""
        self.tries = lambda: self.seconds // 10
        self.assertEqual((await self.watched())[0], "/certs")
        self.assertEqual((self.restarts, self.seconds), (1, 200))

    async def test_an_hour_without_an_answer(self):
        """It does not take for ever."""
        self.assertEqual((await self.watched())[0], "/certs")
        self.assertEqual((self.restarts, self.seconds), (1, 3600))
