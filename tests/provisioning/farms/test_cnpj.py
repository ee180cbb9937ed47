"""A company's number, in its old form and its new one: what is taken, what is refused, and who else says so."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as some
from stdnum.br import cnpj as judge

from provisioning.farms import cnpj
from provisioning.farms.errors import CnpjError

STEMS = some.text(string.digits + string.ascii_uppercase, min_size=12, max_size=12)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("12345678000195", "12345678000195"),
        ("12.345.678/0001-95", "12345678000195"),
        (" 16.727.230/0001-97 ", "16727230000197"),
        ("12.ABC.345/01DE-35", "12abc34501de35"),  # the tax office's own example of the new form
        ("12abc34501de35", "12abc34501de35"),
    ],
)
def test_both_forms_have_one_slug(text: str, slug: str) -> None:
    """Written with or without punctuation, in capitals or not, a company is one word."""
    assert cnpj.read(text) == slug
    assert cnpj.read(cnpj.shown(slug)) == slug


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("12345678000199", "check digits"),
        ("12ABC34501DE36", "check digits"),
        ("1234567800019", "want 12 letters or digits and 2 check digits"),
        ("12ABC34501DEX5", "want 12 letters or digits and 2 check digits"),
        ("\uff11\uff12345678000195", "want 12 letters or digits and 2 check digits"),
        ("12345678000195\n", "want 12 letters or digits and 2 check digits"),
        ("12_345_678000195", "want 12 letters or digits and 2 check digits"),
        ("00000000000000", "is nobody's"),
        ("12345678000195" + "." * 100, "want 12 letters or digits and 2 check digits"),
        ("", "want 12 letters or digits and 2 check digits"),
    ],
)
def test_what_is_no_cnpj_is_refused(text: str, why: str) -> None:
    """One line says what was written, and what to do about it."""
    with pytest.raises(CnpjError, match=why) as caught:
        cnpj.read(text)
    assert str(caught.value).startswith("cnpj ")
    assert "\n" not in str(caught.value)


def test_the_seeds_example_is_taken_where_that_is_asked_for() -> None:
    """12345678000199, whose check digits are wrong, is for documents alone; its form is still looked at."""
    assert cnpj.read("12345678000199", lenient=True) == "12345678000199"
    with pytest.raises(CnpjError, match="want 12"):
        cnpj.read("1234567800019X", lenient=True)


@given(STEMS)
def test_the_digits_are_those_of_another_library(stem: str) -> None:
    """Digits of the new form and the old are computed as python-stdnum computes them."""
    assert cnpj.check_digits(stem.lower()) == judge.calc_check_digits(stem)


def test_what_is_taken_is_what_another_library_takes() -> None:
    """Of thousands of numbers, most of them wrong in one place, python-stdnum refuses those that are refused here."""
    chance = random.Random(1)
    verdicts = set()
    for _ in range(3000):
        stem = "".join(chance.choices(string.digits + string.ascii_uppercase, k=12))
        text = list(stem + judge.calc_check_digits(stem))
        text[chance.randrange(14)] = chance.choice(string.digits + string.ascii_uppercase)
        number = "".join(text)
        verdicts.add(is_taken(number))
        assert is_taken(number) == (judge.is_valid(number) and number[12:].isdigit()), number
    assert verdicts == {True, False}


def is_taken(text: str) -> bool:
    try:
        cnpj.read(text)
    except CnpjError:
        return False
    return True
