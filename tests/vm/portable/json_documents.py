"""One list of texts with one verdict each, for every reader of JSON: a board's, the service's, the lake's."""

DEEP = 19  # and the document itself
# Put in place of a good document's last field, in JSON: all read it (True), or all refuse the document (False).
FIELDS = (
    (b'"x": null', True),
    (b'"x": [true, false, {"y": -0.5e-3}]', True),
    (b'"x": "\xc3\xa9 \\u00e9 \\n \\/ \\ud83d\\ude00"', True),
    (b'\t"x"\r\n: 0', True),
    (b'"x": 9007199254740992', True),
    (b'"x": -9007199254740992', True),
    (b'"x": ' + b"[" * DEEP + b"]" * DEEP, True),
    (b'"x":[1,{"y":2,"z":3}]', True),
    (b'"x": "\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"', True),
    (b'"x": [9.9e37, -9.9e37]', True),
    (b'"x": 1, "x": 1', False),  # a name twice
    (b'"x": 1, "\\u0078": 2', False),
    (b'"\xf0\x9f\x98\x80": 1, "\\ud83d\\ude00": 2', False),
    (b'"x": {"y": {}, "y": {}}', False),
    (b'"boot_id": "b"', False),
    (b'"v": 1', False),
    (b'"x": 9007199254740993', False),  # numbers that differ between readers
    (b'"x": -9007199254740993', False),
    (b'"x": 1e38', False),
    (b'"x": -1e38', False),
    (b'"x": 1e400', False),
    (b'"x": ' + b"9" * 400, False),
    (b'"x": 0.' + b"1" * 80, False),
    (b'"x": 0.' + b"1" * 62, True),  # 64 characters are the most
    (b'"x": 0.' + b"1" * 63, False),
    (b'"x": NaN', False),
    (b'"x": Infinity', False),
    (b'"x": -Infinity', False),
    (b'"x": 01', False),  # what MicroPython's reader takes
    (b'"x": 1.', False),
    (b'"x": .5', False),
    (b'"x": +1', False),
    (b'"x": -', False),
    (b'"x": 1e', False),
    (b'"x": 0x10', False),
    (b'"x": 1_0', False),
    (b'"x" 1', False),
    (b'"x"= 1', False),
    (b'"x": [1 2]', False),
    (b'"x": [1; 2]', False),
    (b'"x": {"y": 1; "z": 2}', False),
    (b'"x": [1, ]', False),
    (b'"x": [,]', False),
    (b'"x": [1}', False),
    (b'"x": {"y"}', False),
    (b'"x": {1: 2}', False),
    (b'"x": 1,', False),
    (b',"x": 1', False),
    (b'"x": 1 "y": 2', False),
    (b"'x': 1", False),
    (b"x: 1", False),
    (b'"x": True', False),
    (b'"x": nul', False),
    (b'"x": nulll', False),
    (b'"x": // 1\n1', False),
    (b'"x": "\\x41"', False),  # texts
    (b'"x": "\\u12"', False),
    (b'"x": "\\u 123"', False),
    (b'"x": "\\u+123"', False),
    (b'"x": "\\ud83d"', False),
    (b'"x": "\\ud83d\\u0041"', False),
    (b'"x": "\\ud83d--de00"', False),
    (b'"x": "\\ude00\\ud83d"', False),
    (b'"x": "\\ude00\\ude00"', False),
    (b'"x": "a\nb"', False),
    (b'"x": "\x00"', False),
    (b'"x": "open', False),
    (b'"x": "\xff"', False),  # no UTF-8
    (b'"x": "\\\xff"', False),
    (b'"x": "\xc3"', False),
    (b'"x": "\xc0\x80"', False),
    (b'"x": "\xed\xa0\x80"', False),
    (b'"x": "\xf4\x90\x80\x80"', False),
    (b'"x": \xc2\xa01', False),
    (b'\x0c"x": 1', False),
    (b'"x": ' + b"[" * (DEEP + 1) + b"]" * (DEEP + 1), False),  # too deep
    (b'"x": ' + b'[{"y":' * 10 + b"1" + b"}]" * 10, False),
    (b'"x": ' + b"[" * 4000, False),
    (b'"x": ' + b'{"y":' * 40 + b"1" + b"}" * 40, False),
)
# Versions as they may be written: only the first is one.
VERSIONS = (
    (b"1", True),
    (b"1.0", False),
    (b"1e0", False),
    (b"10E-1", False),
    (b"true", False),
    (b'"1"', False),
    (b"[1]", False),
)
HEADS = (b"", b"\xef\xbb\xbf")
TAILS = ((b"", True), (b" \r\n", True), (b"x", False), (b"{}", False), (b"]", False), (b"\0", False))


def documents(fields):
    """Texts of a document whose own fields are given as JSON without braces: (text, verdict)."""
    for version, good in VERSIONS:
        yield b'{"v": ' + version + b", " + fields + b"}", good
    for field, good in FIELDS:
        yield b'{"v": 1, ' + fields + b", " + field + b"}", good
    for head in HEADS:
        for tail, good in TAILS:
            yield head + b'{"v": 1, ' + fields + b"}" + tail, good and not head
