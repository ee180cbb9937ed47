"""The policies under test: thin adapters from what a controller sees to the compute service's own modules."""

from collections.abc import Callable
from dataclasses import replace

from benchmarks.water.instruments import PROBE_DEPTHS_M, Known, Seen
from benchmarks.water.policies import Policy
from compute_service.adapters import crops_table
from compute_service.domain import balance, crops, fusion, probes, strategy
from compute_service.domain.strategy import Need
from compute_service.domain.units import DAY_S

CROPS = {"Maize": "maize", "Tomato": "tomato", "Potato": "potato", "SugarBeet": "sugar_beet"}  # AquaCrop's name: ours


def grown(known: Known) -> crops.Crop:
    """The crop of the tables, with the roots of this field and the stages stretched to the promised cycle."""
    crop = crops_table.crop(CROPS[known.crop])
    stretch = known.cycle_days / sum(crop.days)
    initial, development, mid, _ = (round(days * stretch) for days in crop.days)
    days = (initial, development, mid, known.cycle_days - initial - development - mid)
    return replace(crop, days=days, roots_m=known.roots_m)


class Fao56:
    """The book's balance alone: refill when the readily available water is gone."""

    def __init__(self, known: Known) -> None:
        self._soil = balance.Soil(known.field_capacity, known.wilting_point)
        self._crop = grown(known)
        self._state = balance.State()

    def water(self, seen: Seen) -> float:
        """What is missing, if a day like this one would bring stress."""
        kc = crops.kc(self._crop, seen.day)
        demand = kc.single * seen.et0_mm
        weather = balance.Weather(
            seen.et0_mm, rain_mm=seen.rain_mm or 0.0, irrigation_mm=seen.irrigation_mm, crop_mm_d=demand
        )
        self._state, account = balance.step(self._soil, self._state, kc, weather)
        due = self._state.depletion_mm + account.evapotranspiration_mm > account.readily_available_mm
        return self._state.depletion_mm if due else 0.0


class Fused:
    """The compute service: the book's balance held against three probes, and its strategy."""

    def __init__(self, known: Known) -> None:
        self._soil = balance.Soil(known.field_capacity, known.wilting_point)
        self._crop = grown(known)
        self._state = balance.State()
        self._belief = fusion.begin()
        self._probes = {f"probe-{depth}": probes.Probe(depth) for depth in PROBE_DEPTHS_M}

    def water(self, seen: Seen) -> float:
        """What is missing, if a day like this one would bring stress."""
        kc = crops.kc(self._crop, seen.day)
        account = self._believe(seen, kc)
        need = Need(soil=self._soil, crop=self._crop, day=seen.day, kc=kc, account=account, belief=self._belief)
        return strategy.want(need)

    def _believe(self, seen: Seen, kc: crops.Kc) -> balance.Account:
        et0 = seen.et0_mm * self._belief.demand
        weather = balance.Weather(
            et0,
            rain_mm=seen.rain_mm or 0.0,
            irrigation_mm=seen.irrigation_mm,
            crop_mm_d=kc.single * seen.et0_mm,
        )
        self._state, account = balance.step(self._soil, self._state, kc, weather)
        now = seen.day * DAY_S
        belief = fusion.predict(self._belief, account, now, 1.0)
        for (name, probe), vwc in zip(self._probes.items(), seen.probes, strict=True):
            if vwc is not None:
                self._probes[name] = probes.hear(probe, vwc, now, self._soil.wilting_point)
        ground = fusion.Ground(self._soil.field_capacity, self._soil.wilting_point, self._state.roots_m)
        self._belief, self._probes, _ = fusion.observe(belief, self._probes, ground, now)
        self._state = replace(self._state, depletion_mm=self._belief.depletion_mm)
        return account


CONTROLLERS: dict[str, Callable[[Known], Policy]] = {"fao56": Fao56, "fused": Fused}
