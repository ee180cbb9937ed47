"""The page of a set-up without a cable, on both runtimes: what a browser may send, and what becomes of it."""

import asyncio
import binascii
import json
import os
import sys
import unittest

from firmware import config, setup_page, start
from tests.vm.portable.bench import AsyncTestCase
from tests.vm.portable.fake_flash import Flash, PowerCut
from tests.vm.portable.test_der import certificate, element

NAME = "irrigation-gateway-1"
HOST = "192.168.4.1"
FIRMWARE = __file__.rsplit("/tests/", 1)[0] + "/firmware/"
POINT = b"\x04" + bytes(range(64))
BOUNDARY = "----WebKitFormBoundaryAbc123"


def example(name):
    with open(FIRMWARE + name + "_example.json") as file:  # noqa: PTH123  # MicroPython has no pathlib
        return file.read()


def page_text():
    with open(FIRMWARE + "setup_page.html", "rb") as file:  # noqa: PTH123  # MicroPython has no pathlib
        return file.read()


def base64(data):
    return binascii.b2a_base64(data).decode().strip()


def bundle(**changes):
    """A set-up file; `changes` by the last part of a path."""
    own = certificate(element(0x17, b"450101000000Z"), issuer=element(12, NAME.encode()), bits=b"\x00" + POINT)
    files = {
        "config.json": example("config"),
        "pins.json": example("pins"),
        "certs/certificate.der": base64(own),
        "certs/private_key.der": base64(b"secret" + POINT),
        "certs/root_ca.der": base64(certificate(element(0x17, b"450101000000Z"))),
        "certs/spare_1.der": base64(b"spare"),
    }
    for path in list(files):
        name = path.rsplit("/", 1)[-1].split(".")[0]
        if name in changes:
            files[path] = changes[name]
    return json.dumps(files).encode()


def with_config(**changes):
    entries = json.loads(example("config"))
    entries.update(changes)
    return bundle(config=json.dumps(entries))


def form(fields, boundary=BOUNDARY):
    """A body as a browser makes one."""
    parts = []
    for name in fields:
        value = fields[name]
        more = '; filename="set-up.json"\r\nContent-Type: application/json' if name == "file" else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
        parts.append(head.encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n")
    return b"".join(parts) + b"--" + boundary.encode() + b"--\r\n"


class Machine:
    """Takes the place of `machine`."""

    def __init__(self, restarts):
        self.reset = lambda: restarts.append(True)


class SetUp(AsyncTestCase):
    def setUp(self):
        sys.modules["config"] = config
        before = {"/setup.json": b"{}", "/store/outbox.0": b"of before", "/certs/old.der": b"old"}
        self.flash = Flash(dict(before, **{"/setup_page.html": page_text()}))
        self.flash.place_in(setup_page)

    def tearDown(self):
        setup_page.os = os
        del setup_page.open

    def configured(self):
        """A board with a set-up of before."""
        entries = json.loads(example("config"))
        entries["wifi"] = {"ssid": "before", "password": "of-before"}
        self.flash.files["/config.json"] = json.dumps(entries).encode()
        self.flash.files["/pins.json"] = example("pins").encode()

    def mistakes(self, fields):
        try:
            setup_page.wanted(fields)
        except setup_page.Mistakes as error:
            self.assertEqual(self.flash.done, [])
            return error.args
        raise AssertionError("taken")


class WhatIsTaken(SetUp):
    def test_a_new_board(self):
        """The file's parts are there after the next start, byte by byte, and nothing of before."""
        setup_page.take(setup_page.wanted({"file": bundle()}))
        self.assertEqual(self.flash.files.get("/config.json"), None)
        setup_page.finish()
        self.assertEqual(self.flash.files["/config.json"].decode(), example("config"))
        for name in ("/pins.json", "/pins_copy.json"):  # the second one for boot.py, which was flashed with others
            self.assertEqual(self.flash.files[name].decode(), example("pins"))
        self.assertEqual(self.flash.files["/certs/private_key.der"], b"secret" + POINT)
        self.assertEqual(self.flash.below("/store"), {})
        self.assertFalse("old.der" in self.flash.below("/certs"))
        self.assertFalse([path for path in self.flash.files if path.endswith((".new", ".todo"))])

    def test_the_networks_of_the_form(self):
        """They take the place of the file's, in their order."""
        fields = {"file": bundle(), "ssid1": b"barn", "password1": b"of-the-barn", "ssid2": b"road", "password2": b""}
        rows = json.loads(setup_page.wanted(fields)["config.json"])["wifi"]
        self.assertEqual(rows, [{"ssid": "barn", "password": "of-the-barn"}, {"ssid": "road", "password": ""}])

    def test_another_wifi_for_a_board_that_is_set_up(self):
        """Without a file all else stays: pins, certificates, and what waits for the broker."""
        self.configured()
        setup_page.take(setup_page.wanted({"ssid1": b"barn", "password1": b"of-the-barn", "file": b""}))
        setup_page.finish()
        self.assertEqual(json.loads(self.flash.files["/config.json"])["wifi"][0]["ssid"], "barn")
        self.assertEqual(self.flash.below("/certs"), {"old.der": b"old"})
        self.assertEqual(self.flash.below("/store"), {"outbox.0": b"of before"})

    def test_the_same_gateway_keeps_its_memory(self):
        """Its epochs and unsent readings are its own; those of another one go."""
        self.configured()
        self.assertFalse("store" in setup_page.wanted({"file": bundle()}))
        self.flash.files["/config.json"] = b'{"gateway_id": "another"}'
        self.assertTrue("store" in setup_page.wanted({"file": bundle()}))


class WhatIsNot(SetUp):
    def test_each_mistake_is_named(self):
        """In the words of the checks, one for each part, and nothing is written."""
        wrong = bundle(pins='{"valves": []}', private_key=base64(b"of another"))
        said = self.mistakes({"file": wrong, "ssid1": b"barn", "password1": b"of-the-barn"})
        self.assertEqual(len(said), 2)
        self.assertTrue("pins.json valves" in said[0] and "private_key" in said[1], said)
        said = self.mistakes({"file": bundle(), "ssid1": b"barn", "password1": b"short"})
        self.assertTrue("wifi[0] password" in said[0], said)
        for text, words in (
            (with_config(gateway_id="irrigation-gateway-9"), "certs/certificate.der: it is not for"),
            (bundle(config="{"), ""),
            (bundle(certificate="AAAA"), "cut short"),
            (bundle(root_ca="!"), ""),
        ):
            said = self.mistakes({"file": text})
            self.assertTrue(said and words in said[-1], said)

    def test_a_spare_that_is_none(self):
        """It would keep the board from finishing its set-up, at each start."""
        for text in ("QUJ", "", "!"):
            self.assertTrue("spare_1.der" in self.mistakes({"file": bundle(spare_1=text)})[0], text)

    def test_a_certificate_of_a_longer_name(self):
        """Whose name only begins as this board's is another's."""
        ends = element(0x17, b"450101000000Z")
        other = certificate(ends, issuer=element(12, NAME.encode() + b"0"), bits=b"\x00" + POINT)
        self.assertTrue("is not for" in self.mistakes({"file": bundle(certificate=base64(other))})[0])

    def test_no_password_is_shown(self):
        """Neither of the form nor of what is on the board."""
        self.configured()
        self.flash.files["/config.json"] = self.flash.files["/config.json"].replace(b"of-before", b"before7")
        for fields in ({"ssid1": b"barn", "password1": b"secret7"}, {"file": b""}):
            said = " ".join(self.mistakes(fields))
            self.assertTrue("password" in said and "secret7" not in said and "before7" not in said, said)

    def test_a_configuration_that_is_no_object(self):
        """What lies on the board keeps nobody from giving it a good one."""
        for text in (b"[1]", b"7", b"{", b"\xff"):
            self.flash.files["/config.json"] = text
            self.assertTrue("store" in setup_page.wanted({"file": bundle()}))

    async def test_a_set_up_that_the_flash_has_spoilt(self):
        """Nothing of it is written, and it is in nobody's way any more."""
        for text in (b"{", b"[]", b"7", b'{"certs/spare_1.der": "QUJ", "config.json": "{}"}', b'{"config.json": 7}'):
            self.flash.files[setup_page.NEW_SETUP] = text
            self.flash.done = []
            restarts = []
            machine, sys.modules["machine"] = sys.modules.get("machine"), Machine(restarts)
            try:
                await setup_page._finish()
            finally:
                del sys.modules["machine"]
                if machine:
                    sys.modules["machine"] = machine
            self.assertEqual((self.flash.done, restarts), ([("remove", setup_page.NEW_SETUP)], [True]), text)

    def test_what_is_no_set_up_file(self):
        """No JSON, a part that is missing, a path of somebody's choice, a number for a text."""
        more = json.loads(bundle())
        more["boot.py"] = "import os"
        number = json.loads(bundle())
        number["pins.json"] = 7
        less = json.loads(bundle())
        del less["certs/root_ca.der"]
        for text in (
            b"x",
            b"[]",
            b"7",
            json.dumps(more).encode(),
            json.dumps(number).encode(),
            json.dumps(less).encode(),
        ):
            self.assertTrue("no set-up file" in self.mistakes({"file": text})[0], text)

    def test_a_board_without_a_set_up_needs_a_file(self):
        """A network alone is not enough."""
        self.assertTrue("choose the set-up file" in self.mistakes({"ssid1": b"barn", "password1": b"of-the-barn"})[0])

    def test_a_full_flash_is_told(self):
        """Before anything is written."""
        self.flash.full = True
        with self.assertRaises(setup_page.Mistakes):
            setup_page.take(setup_page.wanted({"file": bundle()}))
        self.assertEqual(self.flash.done, [])


class APowerCut(SetUp):
    def survived(self, job):
        try:
            job()
        except PowerCut:
            return

    def life(self, cut):
        """Take a set-up on a board that has one, with a power cut, and start as start.py does until there is peace."""
        self.setUp()
        self.configured()
        before = {path: data for path, data in self.flash.files.items() if ".new" not in path}
        taken = setup_page.wanted({"file": with_config(gateway_id=NAME, zones=json.loads(example("config"))["zones"])})
        self.flash.cut = cut
        self.survived(lambda: setup_page.take(taken))
        for _ in range(3):
            if setup_page.NEW_SETUP in self.flash.files:
                self.survived(setup_page.finish)
        return before, {path: data for path, data in self.flash.files.items() if ".new" not in path}

    def test_at_every_operation(self):
        """Before it and within it: the board has its old set-up or the new one, and never a part of each."""
        _, whole = self.life(None)
        count = len(self.flash.done)
        self.assertTrue(count > 20, count)
        kept = 0
        for number in range(count):
            for part in ("before", "torn"):
                before, after = self.life((number, part))
                self.assertTrue(after in (before, whole), (number, part, self.flash.done[number]))
                kept += after == before
        self.assertTrue(0 < kept < count, kept)


class Button:
    """The set-up button: 0 while it is held."""

    def __init__(self, level):
        self.value = lambda: level


class NoTime:
    """Takes the place of `asyncio`."""

    async def sleep(self, _seconds):
        pass


class AButton(SetUp):
    async def test_one_that_is_stuck_opens_the_page_once(self):
        """After a page that nobody came to it has to be let go, at a start, before it opens another one."""
        self.flash.place_in(start)
        start.asyncio = NoTime()
        try:
            self.assertTrue(await start._is_wanted(Button(0)))
            self.flash.files[setup_page.NOBODY_CAME] = b""
            for level, wanted in ((0, False), (0, False), (1, False), (0, True)):
                self.assertEqual(await start._is_wanted(Button(level)), wanted)
        finally:
            start.os, start.asyncio = os, asyncio
        self.assertEqual(self.flash.done, [("remove", setup_page.NOBODY_CAME)])


class Reader:
    """What a visitor sends, piece by piece; then nothing, or the end."""

    def __init__(self, data, ends=True):
        self._data, self._ends = data, ends

    async def read(self, size):
        if not self._data and not self._ends:
            await asyncio.sleep(3600)
        piece, self._data = self._data[:size], self._data[size:]
        return piece


class Writer:
    """What the visitor gets."""

    def __init__(self):
        self.data = b""
        self.is_closed = False

    def write(self, data):
        self.data += data

    async def drain(self):
        pass

    def close(self):
        self.is_closed = True

    async def wait_closed(self):
        pass


class Requests(SetUp):
    def setUp(self):
        super().setUp()
        self.server = setup_page.Server(HOST, "pythoflow-1a2b")

    async def asked(self, data, ends=True):
        writer = Writer()
        await self.server.visit(Reader(data, ends), writer)
        self.assertTrue(writer.is_closed)
        head, _, body = writer.data.decode().partition("\r\n\r\n")
        return head.split("\r\n")[0][9:], body

    def request(self, line="GET / HTTP/1.1", host=HOST, body=b"", **headers):
        rows = [line, "Host: " + host] + [name.replace("_", "-") + ": " + headers[name] for name in headers]
        return ("\r\n".join(rows) + "\r\n\r\n").encode() + body

    def post(self, fields, **more):
        body = form(dict(fields, token=more.pop("token", self.server._token)))
        headers = {"Content_Type": "multipart/form-data; boundary=" + BOUNDARY, "Content_Length": str(len(body))}
        headers.update(more)
        return self.request("POST / HTTP/1.1", body=body, **headers)

    async def test_the_page_in_two_languages(self):
        """By what the browser asks for; with its form, and without anything that is secret."""
        self.configured()
        for language, word in (("pt-BR,pt;q=0.9,en;q=0.8", "Senha"), ("en-US", "Password"), ("de", "Password")):
            status, body = await self.asked(self.request(Accept_Language=language))
            self.assertEqual(status, "200 OK")
            self.assertTrue(word in body and "pythoflow-1a2b" in body)
            self.assertFalse("of-before" in body or "before" in body)

    async def test_nothing_but_the_page(self):
        """No other path, host, method or version of a request; each has its status, and writes nothing."""
        for data, status in (
            (self.request("GET /config.json HTTP/1.1"), "404"),
            (self.request("GET /../config.json HTTP/1.1"), "404"),
            (self.request(host="evil.example"), "404"),
            (self.request("PUT / HTTP/1.1"), "405"),
            (self.request("GET /"), "400"),
            (b"\xff\xfe\r\n\r\n", "400"),
            (self.request(X="y" * 3000), "431"),
            (self.request("POST / HTTP/1.1"), "411"),
            (self.post({}, Content_Length="99999"), "413"),
            (self.post({}, Content_Length="-1"), "411"),
            (self.post({}, Transfer_Encoding="chunked"), "411"),
            (self.post({}, Content_Type="text/plain"), "415"),
            (self.post({}, token="guessed"), "403"),
        ):
            self.assertEqual((await self.asked(data))[0][:3], status, data[:60])
        self.assertEqual(self.flash.done, [])

    async def test_a_form_that_is_cut_short(self):
        """At any byte: no answer, or a status, and nothing is written; the next one is served."""
        whole = self.post({"ssid1": "barn", "file": bundle()})
        for size in range(0, len(whole) - 8, 397):
            await self.asked(whole[:size])
        self.assertEqual((self.flash.done, self.server.is_done), ([], False))
        self.assertEqual((await self.asked(self.request()))[0], "200 OK")

    async def test_who_sends_no_more_is_hung_up_on(self):
        """In the time of its own, and others are not kept waiting."""
        before = setup_page.HEAD_S
        setup_page.HEAD_S = 0.05
        try:
            task = asyncio.create_task(self.asked(b"GET / HT", False))
            await asyncio.sleep(0)
            self.assertEqual((await self.asked(self.request()))[0], "200 OK")  # it holds nobody up
            self.assertEqual(await task, ("", ""))
            self.assertEqual((await self.asked(self.request()))[0], "200 OK")
        finally:
            setup_page.HEAD_S = before

    async def test_mistakes_are_shown_as_text(self):
        """What somebody has written is never read as HTML."""
        _, body = await self.asked(self.post({"file": with_config(gateway_id="<b>x</b>")}))
        self.assertTrue("&lt;b&gt;x" in body and "<b>" not in body)
        self.assertFalse(self.server.is_done)

    async def test_a_set_up_is_taken(self):
        """Then the page says so, and the board's next start does the rest."""
        _, body = await self.asked(self.post({"ssid1": "barn", "password1": "of-the-barn", "file": bundle()}))
        self.assertTrue("is written" in body, body)
        self.assertTrue(self.server.is_done and setup_page.NEW_SETUP in self.flash.files)


class Boundaries(unittest.TestCase):
    def test_a_form_as_browsers_make_it(self):
        """Fields by their names, a file byte by byte, whatever is in it."""
        fields = {"token": b"t", "ssid1": "fazenda é".encode(), "file": b"\r\n--not the boundary\r\n\r\n" + bytes(300)}
        headers = {"content-type": "multipart/form-data; boundary=" + BOUNDARY}
        self.assertEqual(setup_page.parse_form(headers, form(fields)), fields)
        for body in (b"", form(fields)[:-4], form(fields, "other"), form({f"f{n}": b"x" for n in range(20)})):
            with self.assertRaises(setup_page.RequestError):
                setup_page.parse_form(headers, body)
