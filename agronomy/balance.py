"""The water of a root zone, step by step: FAO-56's balance, with a single or a dual crop coefficient.

`step` is a pure function of the soil, the crop, what fell and what the sky asked for; a step is a day, or an hour. All
water is in mm over the whole area. Depletion is what is missing to field capacity. For every step, to rounding,

    depletion + subsoil after = before - rain - irrigation + runoff + evaporation + transpiration + percolation

Two orders of a step are known (`Method.early`). FAO-56's equations 79 and 88 let the crop drink before the surplus
drains, as if the water came late in the day; the tables of its examples 35 and 38 wet and drain the soil first.
"""

from dataclasses import KW_ONLY, dataclass

from agronomy.crops import Kc
from agronomy.errors import AgronomyError

BARE_KCB = 0.15  # Kc min of equation 76: dry bare soil (FAO-56, p. 149)
LEAST_EXPOSED = 0.01  # few is never nothing (FAO-56, p. 149)
WETTING_RAIN_MM = 3.0  # so much rain wets the whole surface, however the irrigation wets it (FAO-56, p. 149)


class SoilError(AgronomyError):
    """Constants that no soil has; the text says which and what they should be."""


@dataclass(frozen=True, slots=True)
class Soil:
    """Water contents in m3/m3. Of the surface layer `surface_m` can dry by evaporation (FAO-56, table 19, p. 144).

    `depth_m` is how deep the soil below the roots is kept account of; None takes it for moist, as FAO-56 does.
    `curve_number` (USDA, average moisture) makes daily rain run off; None lets it all in.
    """

    field_capacity: float
    wilting_point: float
    _: KW_ONLY
    surface_m: float = 0.10
    readily_evaporable_mm: float = 8.0
    depth_m: float | None = None
    curve_number: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.wilting_point < self.field_capacity < 1:
            raise SoilError(
                f"wilting point {self.wilting_point}, field capacity {self.field_capacity}:"
                " want 0 < wilting point < field capacity < 1, in m3 of water per m3 of soil"
            )
        if not 0 <= self.readily_evaporable_mm < self.evaporable_mm:
            raise SoilError(
                f"readily evaporable water {self.readily_evaporable_mm} mm:"
                f" want less than the {self.evaporable_mm:.1f} mm that can evaporate"
            )
        if self.curve_number is not None and not 1 <= self.curve_number <= 100:
            raise SoilError(f"curve number {self.curve_number}: want 1 to 100")

    @property
    def evaporable_mm(self) -> float:
        """TEW, what the surface layer can lose by evaporation (FAO-56, equation 73, p. 144)."""
        return 1000 * (self.field_capacity - 0.5 * self.wilting_point) * self.surface_m

    def available_mm(self, roots_m: float) -> float:
        """TAW, what roots of that depth can take (FAO-56, equation 82, p. 162)."""
        return 1000 * (self.field_capacity - self.wilting_point) * roots_m


@dataclass(frozen=True, slots=True)
class Method:
    """How to reckon: Ke apart from Kcb or in one Kc; water before or after the crop; drip beneath the leaves."""

    dual: bool = True
    early: bool = False
    drip: bool = False


@dataclass(frozen=True, slots=True)
class Weather:
    """What a step brings. `irrigation_mm` is what reaches the soil, over the whole area, of which it wets `wetted`.

    `crop_mm_d` is what the crop takes on such a day, by which p is adjusted (FAO-56, p. 162); None leaves p as it is.
    """

    et0_mm: float
    _: KW_ONLY
    rain_mm: float = 0.0
    irrigation_mm: float = 0.0
    wetted: float = 1.0
    wind_m_s: float = 2.0
    humidity_min_pct: float = 45.0
    crop_mm_d: float | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What is missing to field capacity, mm: in the root zone (Dr), in the surface layer (De), below the roots."""

    depletion_mm: float = 0.0
    surface_mm: float = 0.0
    subsoil_mm: float = 0.0
    roots_m: float = 0.0
    wetted: float = 1.0  # the share of the surface that the last water wetted (fw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What moved in a step, mm, and what it went by. `grown_mm` came with the soil that roots grew into.

    `depletion_fraction` is p of that step, `stress` Ks and `evaporation_kc` Ke.
    """

    rain_mm: float
    irrigation_mm: float
    runoff_mm: float
    evaporation_mm: float
    transpiration_mm: float
    percolation_mm: float
    grown_mm: float
    available_mm: float
    readily_available_mm: float
    depletion_fraction: float
    stress: float
    evaporation_kc: float

    @property
    def evapotranspiration_mm(self) -> float:
        """ETc adj of equation 80 or 81 (FAO-56, p. 161)."""
        return self.evaporation_mm + self.transpiration_mm


def step(soil: Soil, state: State, kc: Kc, weather: Weather, method: Method = Method()) -> tuple[State, Account]:
    """Move on by one step of `weather`: the state after it, and the account of it (FAO-56, equation 85, p. 170)."""
    roots_m, depletion_mm, subsoil_mm, grown_mm = _grow(soil, state, kc.roots_m)
    available_mm = soil.available_mm(roots_m)
    p = kc.depletion_fraction if weather.crop_mm_d is None else adjusted_p(kc.depletion_fraction, weather.crop_mm_d)
    runoff_mm = _runoff(soil, state, weather.rain_mm)
    rain_mm = weather.rain_mm - runoff_mm
    inflow_mm = rain_mm + weather.irrigation_mm
    wet_share = _wet_share(state, weather)
    surplus_mm = 0.0
    if method.early:
        surplus_mm = max(0.0, inflow_mm - depletion_mm)
        depletion_mm += surplus_mm - inflow_mm
    ks = stress(available_mm, depletion_mm, p)
    ke, surface_mm = 0.0, state.surface_mm
    if method.dual:
        ke, surface_mm = _surface(soil, state, kc, weather, method, rain_mm, wet_share)
    evaporation_mm = ke * weather.et0_mm
    transpiration_mm = ks * (kc.basal if method.dual else kc.single) * weather.et0_mm
    there_mm = available_mm - depletion_mm + (0.0 if method.early else inflow_mm)
    evaporation_mm, transpiration_mm = _within(there_mm, evaporation_mm, transpiration_mm)
    depletion_mm += evaporation_mm + transpiration_mm
    if not method.early:
        surplus_mm = max(0.0, inflow_mm - depletion_mm)
        depletion_mm += surplus_mm - inflow_mm
    soaked_mm = min(surplus_mm, subsoil_mm)
    account = Account(
        rain_mm=weather.rain_mm,
        irrigation_mm=weather.irrigation_mm,
        runoff_mm=runoff_mm,
        evaporation_mm=evaporation_mm,
        transpiration_mm=transpiration_mm,
        percolation_mm=surplus_mm - soaked_mm,
        grown_mm=grown_mm,
        available_mm=available_mm,
        readily_available_mm=p * available_mm,
        depletion_fraction=p,
        stress=ks,
        evaporation_kc=ke,
    )
    return State(depletion_mm, surface_mm, subsoil_mm - soaked_mm, roots_m, wet_share), account


def stress(available_mm: float, depletion_mm: float, p: float) -> float:
    """Ks, the share of its demand that a crop finds (FAO-56, equation 84, p. 169)."""
    return min(1.0, max(0.0, (available_mm - depletion_mm) / ((1 - p) * available_mm)))


def adjusted_p(table_p: float, crop_mm_d: float) -> float:
    """p on a day that takes so much: a crop that must draw faster is stressed earlier (FAO-56, p. 162)."""
    return min(max(table_p + 0.04 * (5 - crop_mm_d), 0.1), 0.8)


def kc_max(kc: Kc, wind_m_s: float, humidity_min_pct: float) -> float:
    """The most that crop and wet soil together take, in ET0 (FAO-56, equation 72, p. 143)."""
    wind, humidity = min(max(wind_m_s, 1.0), 6.0), min(max(humidity_min_pct, 20.0), 80.0)
    drier = (0.04 * (wind - 2) - 0.004 * (humidity - 45)) * (kc.height_m / 3) ** 0.3
    return float(max(1.2 + drier, kc.basal + 0.05))


def cover(kc: Kc, most_kc: float) -> float:
    """The share of the ground that leaves shade, fc (FAO-56, equation 76, p. 149)."""
    share = max(0.0, (kc.basal - BARE_KCB) / (most_kc - BARE_KCB))
    return float(min(share ** (1 + 0.5 * kc.height_m), 0.99))


def _surface(  # noqa: PLR0913, PLR0917  # a step's parts
    soil: Soil, state: State, kc: Kc, weather: Weather, method: Method, rain: float, wet_share: float
) -> tuple[float, float]:
    """Ke of equation 71 (FAO-56, p. 142), and De at the step's end by equation 77 (p. 152)."""
    most = kc_max(kc, weather.wind_m_s, weather.humidity_min_pct)
    shade = cover(kc, most)
    open_share = (
        wet_share * (1 - 2 / 3 * shade) if method.drip else wet_share
    )  # drippers stand beneath the leaves (p. 149)
    few = max(LEAST_EXPOSED, min(1 - shade, open_share))  # equation 75, p. 147
    inflow = rain + weather.irrigation_mm / wet_share
    before = max(0.0, state.surface_mm - inflow) if method.early else state.surface_mm
    ke = min(_dryness(soil, before) * (most - kc.basal), few * most)
    loss = ke * weather.et0_mm / few
    if method.early:
        return ke, min(before + loss, soil.evaporable_mm)
    drainage = max(0.0, inflow - before)  # equation 79, p. 156
    return ke, min(max(before - inflow + loss + drainage, 0.0), soil.evaporable_mm)  # equation 78, p. 152


def _dryness(soil: Soil, surface_mm: float) -> float:
    """Kr, by how much the surface has dried (FAO-56, equation 74, p. 146)."""
    total = soil.evaporable_mm
    return min(1.0, max(0.0, (total - surface_mm) / (total - soil.readily_evaporable_mm)))


def _wet_share(state: State, weather: Weather) -> float:
    if weather.irrigation_mm > 0:
        return weather.wetted
    return 1.0 if weather.rain_mm >= WETTING_RAIN_MM else state.wetted


def _within(there_mm: float, evaporation_mm: float, transpiration_mm: float) -> tuple[float, float]:
    """No more than there is (FAO-56, equation 86, p. 170)."""
    demand_mm = evaporation_mm + transpiration_mm
    if demand_mm <= there_mm or demand_mm == 0:
        return evaporation_mm, transpiration_mm
    share = max(0.0, there_mm) / demand_mm
    return evaporation_mm * share, transpiration_mm * share


def _grow(soil: Soil, state: State, roots_m: float) -> tuple[float, float, float, float]:
    """Roots, depletion and subsoil once roots have grown into their share of the soil below; they never shrink."""
    roots_m = max(roots_m, state.roots_m)
    if soil.depth_m is None or state.roots_m <= 0 or roots_m <= state.roots_m:
        return roots_m, state.depletion_mm, state.subsoil_mm, 0.0
    below_m = soil.depth_m - state.roots_m
    grown_mm = state.subsoil_mm * min(1.0, (roots_m - state.roots_m) / below_m) if below_m > 0 else state.subsoil_mm
    return roots_m, state.depletion_mm + grown_mm, state.subsoil_mm - grown_mm, grown_mm


def _runoff(soil: Soil, state: State, rain_mm: float) -> float:
    """Of a day's rain, by the curve number at the moisture of the surface (ASCE manual 70, eq. 14-12 to 14-20)."""
    if soil.curve_number is None or rain_mm <= 0:
        return 0.0
    middle = soil.curve_number
    dry, wet = middle / (2.281 - 0.01281 * middle), middle / (0.427 + 0.00573 * middle)
    wet_at = 0.5 * soil.readily_evaporable_mm
    dry_at = 0.7 * soil.readily_evaporable_mm + 0.3 * soil.evaporable_mm
    dryness = min(max((state.surface_mm - wet_at) / (dry_at - wet_at), 0.0), 1.0)
    storage = 250 * (100 / (wet + (dry - wet) * dryness) - 1)
    over = max(0.0, rain_mm - 0.2 * storage)
    return min(rain_mm, over**2 / (rain_mm + 0.8 * storage)) if over else 0.0
