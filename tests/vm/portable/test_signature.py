"""Signatures that `cryptography` has made, verified on both runtimes; and whatever is near one is none."""

import binascii
import hashlib
import unittest

from gateway import signature
from gateway.signature import N, P
from tests.vm.portable.update_world import PUBLIC, der, sign

# Key, message, signature: made once with `cryptography`, whose library made them with chance of its own.
VECTORS = (
    (
        (
            "0432eac32d9f0a9b3275e79ea5332648cb04d16b44d1a1b966b8d5b54de8e0e323"
            "d48cb8ef2cca76ee353770858b3ebd43637b4c7c22ae89bcea71f5f645ff84a7"
        ),
        b"message 1" * 9,
        (
            "3046022100fbfee96f8398d84d58b488c339774c27aea759fd30e09f5825698e6ef893ca"
            "c702210094ba527058c605e80dc8a13d71dd2851c28512d0727c2c7e028636032e7f9994"
        ),
    ),
    (
        (
            "04df25d9f120ed287c908bfe4b3fab22c8bf48367fe2d2879430a5cd243cc9d3fc"
            "854164991056918d7b0ac95f06ab234de479ba384a1fd2a976d4e2a5fa143d2d"
        ),
        b"message 2" * 18,
        (
            "304402204668d967ad5dcb30b2a8e88083daf1bd61315c55b40a755081c905622ee75ecb"
            "0220669af3711ef18e86739a8af837587248b8ca5fc9824ec75935a25bf9b2c331e8"
        ),
    ),
    (
        (
            "04805c044fcf84c71455ccac59e970ace403c3e28f6352ad6a25ab302808ad0b03"
            "30403475559dfed33690799a616c878358822e9256badc1a6cdcd2d08aabb923"
        ),
        b"message 3" * 27,
        (
            "304502202b916dca080024db41a74461fdebf0338c9dc1324533b6f08fcb75a199dd2450"
            "022100bd9b300e246e0f286bec5f4555c549c33dc4dd70571d2351a3bac321a0036ad3"
        ),
    ),
    (
        (
            "04a4855859aebfd430cdcb87ebe0526184e37a4af09dadfe509a5595eda60216d0"
            "c5f2d793d41f67bca9d163102fa140903c7bd586e887547f0db20fced9bfb411"
        ),
        b"message 4" * 36,
        (
            "304502205a2bf22b5bb85a748cbe0da883c7c1ea943e2273ec0539bc9cf95a2f45f6cf64"
            "022100eee593c93bd85515e2ddaef6eef60bd3a30cbeb4da0ad949b597ce57e57120ff"
        ),
    ),
)


def holds(key, message, der_bytes):
    return list(signature.verification(key, hashlib.sha256(message).digest(), der_bytes))[-1]


def vectors():
    for key, message, text in VECTORS:
        yield binascii.unhexlify(key.encode()), message, binascii.unhexlify(text.encode())


def numbers(der_bytes):
    return signature._numbers(der_bytes)


class ASignature(unittest.TestCase):
    def test_what_another_library_has_signed(self):
        """Each is its own key's, of its own message, and nobody else's."""
        rows = list(vectors())
        for number, (key, message, der_bytes) in enumerate(rows):
            other_key, other_message, other = rows[number - 1]
            self.assertTrue(holds(key, message, der_bytes), number)
            self.assertFalse(holds(other_key, message, der_bytes))
            self.assertFalse(holds(key, other_message, der_bytes))
            self.assertFalse(holds(key, message, other))

    def test_what_the_tests_sign(self):
        """The tests' own signer, by which other tests judge, makes what holds."""
        self.assertTrue(holds(PUBLIC, b"a manifest", sign(b"a manifest")))
        self.assertFalse(holds(PUBLIC, b"a manifest", sign(b"a manifest", secret=4711)))

    def test_bits_that_flipped(self):
        """In the message, the key, or the signature."""
        key, message, der_bytes = next(vectors())
        for data, place in ((der_bytes, 2), (key, 0), (message, 1)):
            for at in (len(data) // 2, len(data) - 1):
                changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                parts = [key, message, der_bytes]
                parts[place] = changed
                self.assertFalse(holds(*parts))

    def test_numbers_out_of_range(self):
        """r and s are from 1 to N - 1; no sum of them with N, nor zero, is another way to write them."""
        key, message, der_bytes = next(vectors())
        r, s = numbers(der_bytes)
        for wrong in ((0, s), (r, 0), (r + N, s), (r, s + N), (N, s), (r, N), (0, 0), (N - r, s)):
            self.assertFalse(holds(key, message, der(*wrong)), wrong)

    def test_either_half_of_s(self):
        """Both that fit are taken: no signature is used as a name that must be the only one."""
        key, message, der_bytes = next(vectors())
        r, s = numbers(der_bytes)
        self.assertTrue(holds(key, message, der(r, N - s)))

    def test_one_encoding(self):
        """DER alone: nothing behind it or missing, no zero too many, nothing negative, no long form of a length."""
        key, message, der_bytes = next(vectors())
        r, s = numbers(der_bytes)
        body = der_bytes[2:]
        long_r = b"\x02" + bytes([body[1] + 1]) + b"\x00" + body[2:]
        wrong = [
            b"",
            b"\x30\x00",
            der_bytes + b"\x00",
            der_bytes[:-1],
            b"\x31" + der_bytes[1:],
            b"\x30" + bytes([len(body) + 1]) + body,
            b"\x30\x81" + bytes([len(body)]) + body,
            b"\x30" + bytes([len(body) + 2]) + body + b"\x05\x00",
            b"\x30" + bytes([len(long_r)]) + long_r,
            b"\x30\x06\x02\x01\x81\x02\x01\x01",
            b"\x30\x06\x02\x00\x02\x02\x01\x01",
            b"\x30\x06\x03\x01\x01\x02\x01\x01",
            b"\x30\x06\x02\x01\x01\x02\x02\x01",
            der(r),
            der(r, s, 1),
        ]
        for der_bytes in wrong:
            self.assertEqual(numbers(der_bytes), None, der_bytes)
            self.assertFalse(holds(key, message, der_bytes))
        self.assertEqual(numbers(der(1, 128)), (1, 128))

    def test_keys_that_are_none(self):
        """Short, long, compressed, beside the curve, beyond the field."""
        key, message, der_bytes = next(vectors())
        x, y = key[1:33], key[33:]
        beyond = (int.from_bytes(x, "big") + P).to_bytes(33, "big")[-32:]
        for wrong in (
            b"",
            key[:-1],
            key + b"\x00",
            b"\x02" + x,
            b"\x05" + x + y,
            b"\x04" + y + x,
            b"\x04" + beyond + y,
        ):
            self.assertFalse(holds(wrong, message, der_bytes))
        self.assertFalse(holds(b"\x04" + bytes(64), message, der_bytes))

    def test_the_group(self):
        """A point and what takes it back is nothing; the order of the base point is N."""
        base = (signature.GX, signature.GY, 1)
        opposite = (signature.GX, P - signature.GY, 1)
        self.assertEqual(signature._sum(base, opposite), signature.INFINITY)
        self.assertEqual(signature._sum(signature.INFINITY, base), base)
        self.assertEqual(signature._sum(base, base), signature._double(base))
        self.assertEqual(signature._double(signature.INFINITY), signature.INFINITY)


if __name__ == "__main__":
    unittest.main()
