"""The policies under test: thin adapters from what a controller sees to the compute service's own modules."""

from collections.abc import Callable
from dataclasses import replace

from agronomy import balance, crops, fusion, probes, strategy
from agronomy.strategy import Need
from benchmarks import DAY_S
from benchmarks.water.instruments import PROBE_DEPTHS_M, Known, Seen
from benchmarks.water.policies import Policy
from compute_service.adapters import crops_table

CROPS = {"Maize": "maize", "Tomato": "tomato", "Potato": "potato", "SugarBeet": "sugar_beet"}  # AquaCrop's name: ours


def grown(setup: Known) -> crops.Crop:
    """The crop of the tables, with the roots of this field and the stages stretched to the promised cycle."""
    crop = crops_table.crop(CROPS[setup.crop])
    stretch = setup.cycle_days / sum(crop.days)
    initial, development, mid, _ = (round(days * stretch) for days in crop.days)
    days = (initial, development, mid, setup.cycle_days - initial - development - mid)
    return replace(crop, days=days, roots_m=setup.roots_m)


class Fao56:
    """The book's balance alone: refill when the readily available water is gone."""

    def __init__(self, setup: Known) -> None:
        self._soil = balance.Soil(setup.field_capacity, setup.wilting_point)
        self._crop = grown(setup)
        self._state = balance.State()

    def water(self, view: Seen) -> float:
        """What is missing, if a day like this one would bring stress."""
        kc = crops.kc(self._crop, view.day)
        demand = kc.single * view.et0_mm
        weather = balance.Weather(
            view.et0_mm, rain_mm=view.rain_mm or 0.0, irrigation_mm=view.irrigation_mm, crop_mm_d=demand
        )
        self._state, account = balance.step(self._soil, self._state, kc, weather)
        due = self._state.depletion_mm + account.evapotranspiration_mm > account.readily_available_mm
        return self._state.depletion_mm if due else 0.0


class Fused:
    """The compute service: the book's balance held against three probes, and its strategy."""

    def __init__(self, setup: Known) -> None:
        self._soil = balance.Soil(setup.field_capacity, setup.wilting_point)
        self._crop = grown(setup)
        self._state = balance.State()
        self._belief = fusion.begin()
        self._probes = {f"probe-{depth}": probes.Probe(depth) for depth in PROBE_DEPTHS_M}

    def water(self, view: Seen) -> float:
        """What is missing, if a day like this one would bring stress."""
        kc = crops.kc(self._crop, view.day)
        account = self._believe(view, kc)
        need = Need(soil=self._soil, crop=self._crop, day=view.day, kc=kc, account=account, belief=self._belief)
        return strategy.want(need)

    def _believe(self, view: Seen, kc: crops.Kc) -> balance.Account:
        et0 = view.et0_mm * self._belief.demand
        weather = balance.Weather(
            et0,
            rain_mm=view.rain_mm or 0.0,
            irrigation_mm=view.irrigation_mm,
            crop_mm_d=kc.single * view.et0_mm,
        )
        self._state, account = balance.step(self._soil, self._state, kc, weather)
        now = view.day * DAY_S
        belief = fusion.predict(self._belief, account, now, 1.0)
        for (name, probe), vwc in zip(self._probes.items(), view.probes, strict=True):
            if vwc is not None:
                self._probes[name] = probes.hear(probe, vwc, now, self._soil.wilting_point)
        ground = fusion.Ground(self._soil.field_capacity, self._soil.wilting_point, self._state.roots_m)
        self._belief, self._probes, _ = fusion.observe(belief, self._probes, ground, now)
        self._state = replace(self._state, depletion_mm=self._belief.depletion_mm)
        return account


CONTROLLERS: dict[str, Callable[[Known], Policy]] = {"fao56": Fao56, "fused": Fused}
