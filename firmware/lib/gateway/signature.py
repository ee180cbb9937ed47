"""Whether an update was signed: ECDSA on P-256 with SHA-256 (FIPS 186-5), of which MicroPython has nothing.

It reads public data only, so nothing in here takes the same time for all of them. It makes no signature.
"""

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Iterator

    Point = tuple[int, int, int]  # x / z**2, y / z**3; z is 0 at infinity

# SP 800-186: the field, the order, the curve y**2 = x**3 - 3*x + B, its base point.
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
GX = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
GY = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5

INFINITY = (1, 1, 0)


def verification(key: bytes, digest: bytes, signature: bytes) -> "Iterator[bool]":
    """Whether the owner of `key` has signed what has this SHA-256: the last of what comes.

    It takes seconds on a board, which has other things to do between two of the False before. `key` is the point as
    65 bytes, 04 x y; `signature` is DER. Both values of s that fit are taken, as OpenSSL makes either.
    """
    numbers, point = _numbers(signature), _point(key)
    if numbers is None or point is None:
        yield False
        return
    r, s = numbers
    inverse = pow(s, N - 2, N)
    u, v = int.from_bytes(digest, "big") * inverse % N, r * inverse % N
    base = (GX, GY, 1)
    both = _sum(base, point)
    total = INFINITY
    for step in range(256):
        bit = 1 << 255 - step
        total = _double(total)
        if u & bit:
            total = _sum(total, both if v & bit else base)
        elif v & bit:
            total = _sum(total, point)
        if step & 3 == 3:
            yield False
    x, _, z = total
    yield z != 0 and x * pow(z, 2 * (P - 2), P) % P % N == r


def _point(key: bytes) -> "Point | None":
    """The point of an uncompressed key, None if it is none of the curve."""
    if len(key) != 65 or key[0] != 4:
        return None
    x, y = int.from_bytes(key[1:33], "big"), int.from_bytes(key[33:], "big")
    if x >= P or y >= P or (y * y - x * x * x + 3 * x - B) % P:
        return None
    return x, y, 1


def _numbers(signature: bytes) -> "tuple[int, int] | None":
    """r and s of a signature, None unless it is their one DER encoding and both are from 1 to N - 1."""
    if len(signature) < 8 or signature[0] != 0x30 or signature[1] != len(signature) - 2:
        return None
    numbers, at = [], 2
    for _ in (0, 1):
        if signature[at : at + 1] != b"\x02":
            return None
        size = signature[at + 1] if at + 1 < len(signature) else 0
        body = signature[at + 2 : at + 2 + size]
        at += 2 + size
        # Empty, cut short, negative, or with a zero in front that its sign does not need.
        if not 0 < size < 34 or len(body) != size or body[0] > 127 or (size > 1 and body[0] == 0 and body[1] < 128):
            return None
        numbers.append(int.from_bytes(body, "big"))
    r, s = numbers
    return (r, s) if at == len(signature) and 0 < r < N and 0 < s < N else None


def _double(point: "Point") -> "Point":
    x, y, z = point
    if z == 0 or y == 0:
        return INFINITY
    square = y * y % P
    four = 4 * x * square % P
    zz = z * z % P
    slope = 3 * (x - zz) * (x + zz) % P
    new_x = (slope * slope - 2 * four) % P
    return new_x, (slope * (four - new_x) - 8 * square * square) % P, 2 * y * z % P


def _sum(one: "Point", other: "Point") -> "Point":
    x1, y1, z1 = one
    x2, y2, z2 = other
    if z1 == 0 or z2 == 0:
        return other if z1 == 0 else one
    zz1, zz2 = z1 * z1 % P, z2 * z2 % P
    u, s = x1 * zz2 % P, y1 * zz2 * z2 % P
    step, rise = (x2 * zz1 - u) % P, (y2 * zz1 * z1 - s) % P
    if step == 0:
        return INFINITY if rise else _double(one)
    square = step * step % P
    cube, across = square * step % P, u * square % P
    x = (rise * rise - cube - 2 * across) % P
    return x, (rise * (across - x) - s * cube) % P, z1 * z2 * step % P
