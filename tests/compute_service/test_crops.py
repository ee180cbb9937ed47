"""The crops of FAO-56: the tables as printed, and the days between their stages."""

import math
from dataclasses import replace
from statistics import median

import aquacrop  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyfao56.tools.tables import FAO56Tables  # type: ignore[import-untyped]

from agronomy import crops
from agronomy.crops import CropError, kc
from compute_service.adapters import crops_table
from compute_service.adapters.crops_table import UnknownCropError, crop

BEAN = replace(crop("green_bean"), days=(25, 25, 30, 20), single=(0.15, 1.19, 0.35))
CALENDARS = [(name, calendar) for name in crops_table.names() for calendar in crops_table.calendars(name)]
BRAZIL = (
    *("soja", "milho", "feijão", "café", "cana-de-açúcar", "laranja", "banana"),
    *("arroz", "trigo", "algodão", "mandioca", "tomate", "cebola"),
)

AQUACROP = {  # our names, and its
    "maize": "Maize",
    "sorghum": "Sorghum",
    "wheat": "Wheat",
    "barley": "Barley",
    "soybean": "Soybean",
    "bean": "DryBean",
    "cotton": "Cotton",
    "sunflower": "Sunflower",
    "sugar_beet": "SugarBeet",
    "sugarcane": "SugarCane",
    "sugarcane_ratoon": "SugarCane",
    "potato": "Potato",
    "cassava": "Cassava",
    "tomato": "Tomato",
    "alfalfa": "AlfalfaGDD",
}


def rows_of(table: str, *columns: str) -> set[tuple[float, ...]]:
    cells = getattr(FAO56Tables(), table)[list(columns)].to_numpy().tolist()
    return {tuple(math.nan if not isinstance(cell, str) or not cell else float(cell) for cell in row) for row in cells}


def test_every_number_is_a_row_of_the_book() -> None:
    """Each crop's lengths, coefficients, roots and p stand together in a row of FAO-56's tables 11, 12, 17 and 22.

    The rows are held against another transcription, the USDA's in pyfao56. Table 11 has no lengths for `always`.
    """
    lengths, basal = (
        rows_of("table11", "Lini", "Ldev", "Lmid", "Llate"),
        rows_of("table17", "Kcbini", "Kcbmid", "Kcbend"),
    )
    single, roots = (
        rows_of("table12", "Kcmini", "Kcmmid", "Kcmend", "hmax"),
        rows_of("table22", "Zrmax1", "Zrmax2", "pbase"),
    )
    for name, calendar in CALENDARS:
        one, rainfed = crop(name, calendar), crop(name, calendar, rainfed=True)
        assert calendar == "always" or one.days in lengths, (name, calendar)
        assert (*one.single, one.height_m) in single, name
        assert one.basal in basal, name
        assert (one.roots_m, rainfed.roots_m, one.depletion_fraction) in roots, name


def test_stomata_close_where_fao_s_crop_model_has_them_close() -> None:
    """Each crop that FAO gives a threshold for has it, as the package `aquacrop` transcribed it. Rice counts otherwise.

    Never more than half as much again as p; without a threshold, as much over p as the crop in the middle of the table.
    """
    told = {name: crop(name).closes for name in crops_table.names() if crop(name).closes}
    assert told == {name: aquacrop.Crop(theirs, planting_date="01/01").p_up2 for name, theirs in AQUACROP.items()}
    ratios = [closes / crop(name).depletion_fraction for name, closes in told.items() if closes]
    assert pytest.approx(median(ratios), abs=0.01) == crops.CLOSES
    assert crop("potato").bears == pytest.approx(1.5 * 0.35), "its stomata would bear 0.60"
    assert crop("sugarcane").bears == 0.5, "they close before p of 0.65 is used up"
    assert crop("coffee").bears == pytest.approx(1.2 * 0.40)


def test_what_brazil_grows_is_there() -> None:
    """The main crops of Brazil are found by their Brazilian names, or begin with them."""
    known = {crop(name).name_pt for name in crops_table.names()}
    for name in BRAZIL:
        assert any(one == name or one.startswith(f"{name} (") for one in known), name
    assert crop("soja") == crop("soybean")


def test_days_between_stages_lie_on_a_line() -> None:
    """FAO-56's example 28 (p. 133): dry beans with 25/25/30/20 days have Kc 0.15, 0.77, 1.19 and 0.56 on four days.

    On day 40 of the season, 15 days into development: 0.15 + 15/25 (1.19 - 0.15) = 0.77; on day 95, 15 days into the
    late season: 1.19 + 15/20 (0.35 - 1.19) = 0.56.
    """
    assert kc(BEAN, 20).single == 0.15
    assert kc(BEAN, 40).single == pytest.approx(0.774)
    assert kc(BEAN, 70).single == 1.19
    assert kc(BEAN, 95).single == pytest.approx(0.56)
    assert [kc(BEAN, day).stage for day in (0, 25, 50, 80, 100, 500)] == [
        *("initial", "development", "mid", "late", "late", "late")
    ]


def test_roots_and_leaves_grow_until_the_mid_season() -> None:
    """An annual starts with 0.2 m of roots and hardly a leaf, and is full grown when its mid season begins."""
    assert [kc(BEAN, day).roots_m for day in (0, 25, 50, 90)] == pytest.approx([0.2, 0.35, 0.5, 0.5])
    assert (kc(BEAN, 0).height_m, kc(BEAN, 90).height_m) == (0.05, 0.4)


def test_an_orchard_comes_round_again() -> None:
    """A perennial's second year is as its first, with roots that are full grown from the first day."""
    orange = crop("citrus")
    assert kc(orange, 100) == kc(orange, 465)
    assert kc(orange, 0).roots_m == 1.2


def test_the_tables_climate_is_that_of_the_book() -> None:
    """Maize, 2 m high, has Kc mid 1.20 at 2 m/s and 45 % (FAO-56, table 12), and 0.35 when it is harvested dry."""
    maize = crop("maize")
    days = [sum(maize.days[:count]) for count in range(5)]
    assert kc(maize, (days[2] + days[3]) / 2).single == 1.20
    assert kc(maize, days[4]).single == pytest.approx(0.35)
    assert kc(maize, days[3]).height_m == 2.0


def test_an_unknown_crop_says_which_are_known() -> None:
    """A slip is answered with the nearest name; so is one in the calendar."""
    with pytest.raises(UnknownCropError, match="did you mean 'tomato'"):
        crop("tomatto")
    with pytest.raises(UnknownCropError, match=r"did you mean 'tropics_december'.*usa_may"):
        crop("soybean", "tropics_dezember")


@pytest.mark.parametrize(
    "flaw", [{"days": (0, 0, 0, 0)}, {"days": (-1, 5, 5, 5)}, {"roots_m": 0.0}, {"depletion_fraction": 1.0}]
)
def test_a_crop_that_cannot_be_is_refused(flaw: dict[str, object]) -> None:
    """No season, no roots, or all of the water to be had: such a crop of a farm's own is refused."""
    with pytest.raises(CropError):
        replace(BEAN, **flaw)  # type: ignore[arg-type]


@given(st.sampled_from(CALENDARS), st.floats(-1000, 10000))
def test_any_day_of_any_crop_lies_within_its_tables(which: tuple[str, str], day: float) -> None:
    """No day has a coefficient, a height or roots beyond those of its stages, and a day later is never a leap."""
    one = crop(*which)
    now, later = kc(one, day), kc(one, day + 1e-6)
    for value, tabled in ((now.single, one.single), (now.basal, one.basal)):
        assert min(tabled) - 1e-12 <= value <= max(tabled) + 1e-12
    assert 0 < now.roots_m <= one.roots_m + 1e-12
    assert 0 < now.height_m <= one.height_m + 1e-12
    assert one.perennial or abs(later.single - now.single) < 1e-3
