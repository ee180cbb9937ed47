"""Brazil's number of a company, in its old form (digits) and that of July 2026 (letters, too): IN RFB 2.229/2024.

A slug is the one word that stands for it: 14 characters, lower case, no punctuation. Pure.
"""

import re

from provisioning.farms.errors import CnpjError

EXAMPLE = "12.ABC.345/01DE-35"
SLUG = re.compile(r"[0-9a-z]{12}[0-9]{2}")
_SEPARATORS = str.maketrans("", "", " -./")
_MOST = 40  # characters, with all that people put between them
_WEIGHTS = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)  # of the twelve and the first check digit, from the left


def read(text: str, *, lenient: bool = False) -> str:
    """The slug of what a person wrote; `lenient` takes wrong check digits. Raises CnpjError."""
    slug = text.translate(_SEPARATORS).lower()
    if len(text) > _MOST or not text.isascii() or not SLUG.fullmatch(slug):
        raise CnpjError(f"cnpj {text[:40]!r}: want 12 letters or digits and 2 check digits, as {EXAMPLE}")
    if slug.startswith("0" * 12):
        raise CnpjError(f"cnpj {text!r}: is nobody's; write the company's own, as {EXAMPLE}")
    if not lenient and slug[12:] != check_digits(slug[:12]):
        raise CnpjError(f"cnpj {text!r}: its check digits do not fit the rest; look at each character again")
    return slug


def check_digits(stem: str) -> str:
    """The two digits that follow twelve characters."""
    digits = ""
    for _ in range(2):
        values = [ord(character) - 48 for character in stem.upper() + digits]
        weights = _WEIGHTS[-len(values) :]
        rest = sum(value * weight for value, weight in zip(values, weights, strict=True)) % 11
        digits += str(0 if rest < 2 else 11 - rest)
    return digits


def shown(slug: str) -> str:
    """A slug as people write it: 12.ABC.345/01DE-35."""
    text = slug.upper()
    return f"{text[:2]}.{text[2:5]}.{text[5:8]}/{text[8:12]}-{text[12:]}"
