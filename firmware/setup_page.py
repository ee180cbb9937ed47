"""Set-up without a cable: a Wi-Fi of the board's own with one page on it. No valve moves meanwhile; a restart ends it.

start.py opens it if there is no valid config.json, or while the set-up button is held at the start. As boot.py it is
never updated over the air: it has to work when an update does not. What the page takes is checked first, then written
as one file, the new set-up; with the next start its parts go to their places, as often as it takes to be done.
"""

import asyncio
import binascii
import json
import os

from gateway.errors import GatewayError

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any

    Row = dict[str, Any]

NEW_SETUP = "/setup.todo"
NOBODY_CAME = "/setup.left"  # the button was held, and nobody came: it may be stuck
IDLE_S = 900  # without a visitor
WATCHDOG_MS = 60_000
PORT = 80
HEAD_BYTES = 2048  # of a request, and what it may take
HEAD_S = 10
BODY_BYTES = 24_000
BODY_S = 60
CERTS = ("certs/certificate.der", "certs/private_key.der", "certs/root_ca.der")
PARTS = ("config.json", "pins.json") + CERTS  # noqa: RUF005  # no `*` in a tuple here
SPARES = tuple(["certs/spare_%d.der" % number for number in range(1, 6)])
NETWORKS = 3
TEXT = "/setup_page.html"
HEAD = (
    "HTTP/1.0 %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\nCache-Control: no-store\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
)


class RequestError(Exception):
    """What a browser sent is no request of the page's form; the text is the answer's status."""


class Mistakes(Exception):
    """The set-up is not right: `args` has a sentence for each mistake."""


# From the form to the files.


def wanted(form: "dict[str, bytes]", root: str = "") -> "Row":
    """The files of the new set-up by their path, as text, DER in base64. Raises Mistakes."""
    import config  # its tables are large, and nobody may ever come

    networks = [
        {"ssid": _text(form, "ssid%d" % number), "password": _text(form, "password%d" % number)}
        for number in range(1, NETWORKS + 1)
        if form.get("ssid%d" % number)
    ]
    files = _of_bundle(form.pop("file")) if form.get("file") else {"config.json": _on_board(root, "config.json")}
    if not files["config.json"]:
        raise Mistakes("choose the set-up file: this board has no configuration yet")
    mistakes: list[str] = []
    entries = _checked(mistakes, _with_networks, config, files, networks)
    if "pins.json" in files and entries:
        _checked(mistakes, _pins, config, files, entries)
        files["pins_copy.json"] = files["pins.json"]  # for boot.py, which was flashed with the pins of before
        _checked(mistakes, _identity, files, entries["gateway_id"])
        before = _checked([], json.loads, _on_board(root, "config.json"))
        if not isinstance(before, dict) or before.get("gateway_id") != entries["gateway_id"]:
            files["store"] = ""  # what another gateway kept is none of this one's business
    if mistakes:
        raise Mistakes(*mistakes)
    return files


def _checked(mistakes: "list[str]", check: "Callable[..., Any]", *words: "Any") -> "Any":
    """What `check` gives; None and one mistake more if it raises."""
    try:
        return check(*words)
    except (GatewayError, ValueError, IndexError, MemoryError) as error:
        mistakes.append(str(error) or "unreadable")
    return None


def _with_networks(config: "Any", files: "Row", networks: "list[Row]") -> "Row":
    from protocol import json_text

    entries = json_text.loads(files["config.json"].encode())
    if networks and isinstance(entries, dict):
        entries["wifi"] = networks
        files["config.json"] = json.dumps(entries)
    complete: Row = config.check_config(entries)
    return complete


def _pins(config: "Any", files: "Row", entries: "Row") -> None:
    from protocol import json_text

    config.check_pins(json_text.loads(files["pins.json"].encode()), *config.needs(entries))


def _identity(files: "Row", gateway_id: str) -> None:
    from gateway import der

    certificate, key, root = [_decoded(files, name) for name in CERTS]
    if not der.is_for(certificate, key, gateway_id):
        raise ValueError(
            "certs/certificate.der: it is not for %s and this private_key.der; make the file again" % gateway_id
        )
    der.facts(root)
    for name in SPARES:
        if name in files:
            _decoded(files, name)


def _decoded(files: "Row", name: str) -> bytes:
    try:
        data = binascii.a2b_base64(files[name].encode())
    except Exception:  # of which kind depends on the port
        data = b""
    if not data:
        raise ValueError("%s: unreadable; make the file again" % name)
    return data


def _of_bundle(data: bytes) -> "Row":
    try:
        files: Row = json.loads(data)
        if all(isinstance(files[name], str) for name in PARTS) and all(
            name in PARTS + SPARES and isinstance(files[name], str) for name in files
        ):
            return files
    except (ValueError, KeyError, TypeError):
        pass
    raise Mistakes("this is no set-up file: make one with python -m firmware bundle")


def _on_board(root: str, name: str) -> str:
    try:
        with open(root + "/" + name, "rb") as file:
            return file.read().decode()
    except (OSError, ValueError):
        return ""


def _text(form: "dict[str, bytes]", name: str) -> str:
    try:
        return form.get(name, b"").decode()
    except ValueError:
        return "?"


def take(files: "Row", root: str = "") -> None:
    """Write the new set-up, in one step: from then on it is the board's. Raises OSError, Mistakes."""
    size = sum([len(files[name]) for name in files])
    space = os.statvfs(root + "/")
    if space[0] * space[3] < 3 * size + 17 * 4096:  # it has to have room beside the old one
        raise Mistakes("the board's flash is full: erase it, and flash the board anew")
    with open(root + NEW_SETUP + ".new", "wb") as file:
        begin = "{"
        for name in files:  # a part after the other: a small board has no room for all of them once more
            file.write(begin.encode() + json.dumps(name).encode() + b":")
            file.write(json.dumps(files[name]).encode())
            begin = ","
        file.write(b"}")
    os.rename(root + NEW_SETUP + ".new", root + NEW_SETUP)


def finish(root: str = "") -> None:
    """Bring the parts of a new set-up to their places. Raises OSError, ValueError."""
    with open(root + NEW_SETUP, "rb") as file:
        files = json.loads(file.read())
    names = [name for name in files if name != "store"]
    parts = [(name, files[name].encode() if name.endswith(".json") else _decoded(files, name)) for name in names]
    if "certs" not in os.listdir(root + "/"):
        os.mkdir(root + "/certs")
    for name, data in parts:
        path = root + "/" + name
        with open(path + ".new", "wb") as file:
            file.write(data)
        os.rename(path + ".new", path)
    for folder, is_new in (("certs", CERTS[0] in files), ("store", "store" in files)):
        if is_new and folder in os.listdir(root + "/"):
            _prune(root, folder, files)
    os.remove(root + NEW_SETUP)


def _prune(root: str, folder: str, files: "Row") -> None:
    """What was of the set-up before."""
    for name in os.listdir(root + "/" + folder):
        path = folder + "/" + name
        if os.stat(root + "/" + path)[0] & 0x4000:
            _prune(root, path, files)
        elif path not in files:
            os.remove(root + "/" + path)


# The page.


def page(root: str, words: "dict[str, str]") -> "Iterator[bytes]":
    """The page, line by line, without anything that is secret. Raises OSError.

    Before a line's first | are the words that have to be its own, if any; the first `{name}` in it may stand for one.
    """
    with open(root + TEXT, "rb") as file:
        for line in file:
            only, _, text = line.decode().partition("|")
            if all(word in words for word in only.split()):
                begin, _, rest = text.partition("{")
                name, _, end = rest.partition("}")
                yield (begin + words[name] + end if name in words else text).encode()


def _escaped(text: str) -> str:
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(letter, entity)
    return text


def parse_head(head: bytes, host: str) -> "tuple[str, dict[str, str]]":
    """Method and headers of a request for the page, by whoever asks this very board. Raises RequestError."""
    try:
        lines = head.decode().split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
    except ValueError as error:
        raise RequestError("400 Bad Request") from error
    if path != "/" or headers.get("host", "").split(":")[0] != host:  # no name of somebody else's leads here
        raise RequestError("404 Not Found")
    if method not in ("GET", "POST"):
        raise RequestError("405 Method Not Allowed")
    return method, headers


def parse_form(headers: "dict[str, str]", body: bytes) -> "dict[str, bytes]":
    """The fields of a form as multipart/form-data (RFC 7578). Raises RequestError."""
    kind, _, boundary = headers.get("content-type", "").partition("boundary=")
    if not kind.startswith("multipart/form-data") or not 0 < len(boundary) <= 70:
        raise RequestError("415 Unsupported Media Type")
    line = b"\r\n--" + boundary.strip('"').encode()
    form: dict[str, bytes] = {}
    at = len(line) - 2 if body.startswith(line[2:]) else -1
    while at >= 0 and body[at : at + 2] == b"\r\n" and len(form) < 12:
        middle, end = body.find(b"\r\n\r\n", at), body.find(line, at)
        _, _, name = body[at:middle].partition(b'name="')
        if not at <= middle < end or not name:
            break
        try:
            form[name.split(b'"')[0].decode()] = body[middle + 4 : end]
        except ValueError:
            break
        at = end + len(line)
    if at < 0 or body[at : at + 2] != b"--":  # also after a name that is no UTF-8
        raise RequestError("400 Bad Request")
    return form


class Server:
    """Serves one visitor after the other. `is_done` once a set-up was taken; `idle_s` is counted by who runs it."""

    def __init__(self, host: str, name: str, root: str = "") -> None:
        self._host, self._name, self._root = host, name, root
        self._token = binascii.hexlify(os.urandom(16)).decode()
        self._is_busy = False
        self.is_done = False
        self.idle_s = 0

    async def visit(self, reader: "Any", writer: "Any") -> None:
        """Answer one request, within its time."""
        try:
            await asyncio.wait_for(self._answer(reader, writer), HEAD_S + BODY_S)
        except (OSError, EOFError, asyncio.TimeoutError):
            pass
        writer.close()
        await writer.wait_closed()

    async def _answer(self, reader: "Any", writer: "Any") -> None:
        size = 0
        words: dict[str, str] = {}
        try:
            status, words = "200 OK", await self._respond(reader)
            self.idle_s = 0
            size = sum([len(piece) for piece in page(self._root, words)])
        except RequestError as error:
            status = str(error)
        except MemoryError:
            status = "413 Content Too Large"
        writer.write((HEAD % (status, size)).encode())
        await writer.drain()
        for piece in page(self._root, words) if size else ():  # one at a time: a small board has no room for all
            writer.write(piece)
            await writer.drain()

    async def _respond(self, reader: "Any") -> "dict[str, str]":
        """One form after the other; a connection that says nothing holds nobody up."""
        head, body = await asyncio.wait_for(_read_head(reader), HEAD_S)
        if self._is_busy:
            raise RequestError("503 Service Unavailable")
        self._is_busy = True
        try:
            return await self._of_head(reader, head, body)
        finally:
            self._is_busy = False

    async def _of_head(self, reader: "Any", head: bytes, body: bytes) -> "dict[str, str]":
        method, headers = parse_head(head, self._host)
        language = "pt" if headers.get("accept-language", "").lower().startswith("pt") else "en"
        mistakes: tuple[str, ...] = ()
        if method == "POST" and not self.is_done:
            form = parse_form(headers, await _read_body(reader, headers, body))
            if form.get("token") != self._token.encode():  # a page of somebody else's cannot know it
                raise RequestError("403 Forbidden")
            try:
                take(wanted(form, self._root), self._root)
                self.is_done = True
            except Mistakes as error:
                mistakes = error.args
            except OSError as error:
                mistakes = ("the flash cannot be written: %s" % error,)
        words = {"token": self._token, "name": _escaped(self._name), "language": language, language: ""}
        words["done" if self.is_done else "form"] = ""
        if mistakes:
            words["mistakes"] = "".join(["<li>%s</li>" % _escaped(text) for text in mistakes])
        return words


async def _read_head(reader: "Any") -> "tuple[bytes, bytes]":
    """Up to the empty line, and what came with it of the body. Raises RequestError."""
    data = b""
    while len(data) < HEAD_BYTES:
        piece = await reader.read(256)
        if not piece:
            raise EOFError
        data += piece
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            return data[:end], data[end + 4 :]
    raise RequestError("431 Request Header Fields Too Large")


async def _read_body(reader: "Any", headers: "dict[str, str]", body: bytes) -> bytes:
    size = headers.get("content-length", "")
    if not size.isdigit() or "transfer-encoding" in headers:
        raise RequestError("411 Length Required")
    if len(size) > 5 or int(size) > BODY_BYTES:
        raise RequestError("413 Content Too Large")
    whole = bytearray(int(size))
    at = min(len(body), len(whole))
    whole[:at] = body[:at]
    while at < len(whole):
        piece = await reader.read(min(1024, len(whole) - at))
        if not piece:
            raise EOFError
        whole[at : at + len(piece)] = piece
        at += len(piece)
    return bytes(whole)


def instead_of(error: "Exception") -> "list[Coroutine[Any, Any, None]]":
    """The jobs of a board without a valid config.json. Raises that error again if pins.json is it, or no network is."""
    if "pins.json" in str(error) or "setup.json" not in os.listdir("/"):
        raise error
    print(error)
    return [_serve()]


def on_demand() -> "list[Coroutine[Any, Any, None]]":
    """The jobs of a board whose set-up button is held. If nobody comes it is left, and start.py looks for that."""
    return [_serve(NOBODY_CAME)]


def finishing() -> "list[Coroutine[Any, Any, None]]":
    """The jobs of a board with a new set-up: its parts go to their places, then boot.py shuts the valves it has."""
    return [_finish()]


async def _finish() -> None:
    import machine

    try:
        finish()
    except (ValueError, TypeError, AttributeError) as error:  # it was checked: the flash has spoilt it since
        print("set-up: the one that was taken is lost:", error)
        os.remove(NEW_SETUP)
    machine.reset()


async def _serve(note: str = "") -> None:
    """Open the network and the page; the board restarts when a set-up was taken, or nobody has come for long.

    Raises OSError, ValueError, KeyError without a /setup.json with a password: then no network opens.
    """
    import machine
    import network

    with open("/setup.json") as file:
        about = json.load(file)
    if len(about["password"]) < 8:
        raise ValueError("/setup.json: a password has 8 letters or more")
    access = network.WLAN(network.AP_IF)
    access.config(ssid=about["name"], security=network.AUTH_WPA2_PSK, key=about["password"], max_clients=2)
    access.active(True)  # not before it has its password
    server = Server(access.ifconfig()[0], about["name"])
    await asyncio.start_server(server.visit, "0.0.0.0", PORT, 2)  # noqa: S104  # nobody but who is on this network
    print("set-up: network", about["name"], "page http://" + access.ifconfig()[0])
    watchdog = machine.WDT(timeout=WATCHDOG_MS)
    while not server.is_done and server.idle_s < IDLE_S:
        watchdog.feed()
        server.idle_s += 1
        await asyncio.sleep(1)
    if note and not server.is_done:
        open(note, "wb").close()
    await asyncio.sleep(2)  # the answer is on its way
    access.active(False)
    machine.reset()
