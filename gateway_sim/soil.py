"""The water and the warmth of a layered soil: pure bookkeeping on a fixed grid, in mm, m3/m3, degC and seconds.

Water moves in steps of STEP_S; what plants and capillarity take is planned every SLOW_STEPS of them. Sources:
[FAO-56] Allen et al. 1998; [SR] Saxton and Rawls 2006, Soil Sci. Soc. Am. J. 70; [H] Holtan 1961, USDA-ARS 41-51;
[C] Campbell and Norman 1998, An Introduction to Environmental Biophysics, chapter 8; [NEH] USDA National Engineering
Handbook, part 652, chapter 3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

STEP_S = 300  # a fixed grid, so that the result does not depend on how often somebody looks
SLOW_STEPS = 12
STEPS_PER_H = 3600 // STEP_S
ROOT_SHARES = (0.4, 0.3, 0.2, 0.1)  # of the water taken from each quarter of the root zone [NEH, figure 3-3]
HOLTAN_A = 0.6  # between bare soil and sod [H], in inches an hour
INCH_MM = 25.4
BARE_KC = 1.1  # evaporation of wet bare soil over the reference [FAO-56, table 11 and equation 72]
READILY_EVAPORABLE = 0.4  # of the evaporable water, typical of FAO-56 table 19
HEAD_MM_PER_KPA = 102.0


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Water contents in m3/m3, saturated conductivity in mm/h; `roots` is the share of the uptake."""

    thickness_mm: float
    wilting_point: float
    field_capacity: float
    saturation: float
    conductivity_mm_h: float
    roots: float

    @property
    def retention(self) -> float:
        """B in tension = A theta^-B through 33 kPa at field capacity and 1500 kPa at wilting [SR, equation 15]."""
        return math.log(1500 / 33) / math.log(self.field_capacity / self.wilting_point)

    def conductivity(self, vwc: float) -> float:
        """Unsaturated conductivity at a water content, mm/h [SR, equation 17]."""
        return float(self.conductivity_mm_h * (vwc / self.saturation) ** (3 + 2 * self.retention))

    def head_mm(self, vwc: float) -> float:
        """Matric head at a water content, mm of water, negative [SR, equation 11]."""
        return float(-33 * HEAD_MM_PER_KPA * (self.field_capacity / vwc) ** self.retention)


@dataclass(frozen=True)
class Plants:
    """`kc` of the crop, `depletion` without stress (FAO-56 table 22), `cover` the share of the ground in its shade."""

    kc: float
    depletion: float
    cover: float = 0.85


@dataclass
class Account:
    """Millimetres in (rain, irrigation) and out since the start."""

    rain_mm: float = 0.0
    irrigation_mm: float = 0.0
    evapotranspiration_mm: float = 0.0
    percolation_mm: float = 0.0
    runoff_mm: float = 0.0

    @property
    def net_mm(self) -> float:
        """In minus out: the change of storage."""
        return self.rain_mm + self.irrigation_mm - self.evapotranspiration_mm - self.percolation_mm - self.runoff_mm


def uniform(  # noqa: PLR0913, PLR0917  # a soil has that many constants
    depth_m: float,
    wilting_point: float,
    field_capacity: float,
    saturation: float,
    conductivity_mm_h: float,
    shares: Sequence[float] = ROOT_SHARES,
) -> tuple[Layer, ...]:
    """Equal layers of one soil down to a depth; `shares` of the uptake, from the top, also give their number."""
    thickness = depth_m * 1000 / len(shares)
    return tuple(
        Layer(
            thickness_mm=thickness,
            wilting_point=wilting_point,
            field_capacity=field_capacity,
            saturation=saturation,
            conductivity_mm_h=conductivity_mm_h,
            roots=share,
        )
        for share in shares
    )


class Column:
    """The water of a stack of layers, from the top down. `step` moves it on by STEP_S seconds.

    In minus out is the change of `stored_mm` at every step, but for rounding.
    """

    def __init__(self, layers: Sequence[Layer], plants: Plants, initial_vwc: float | Sequence[float]) -> None:
        self.layers = tuple(layers)
        initial = initial_vwc if isinstance(initial_vwc, Sequence) else [initial_vwc] * len(self.layers)
        self.plants = plants
        self.account = Account()
        self.water_mm = [vwc * layer.thickness_mm for vwc, layer in zip(initial, self.layers, strict=True)]
        self._field_mm = [layer.field_capacity * layer.thickness_mm for layer in self.layers]
        self._wilting_mm = [layer.wilting_point * layer.thickness_mm for layer in self.layers]
        self._full_mm = [layer.saturation * layer.thickness_mm for layer in self.layers]
        # Conductivity by water: k (w / full)^exponent, in mm a step.
        self._exponents = [3 + 2 * layer.retention for layer in self.layers]
        self._full_flow = [layer.conductivity_mm_h / STEPS_PER_H for layer in self.layers]
        self._taken_mm = 0.0  # evapotranspiration of a step, as planned
        self._changes = [0.0] * len(self.layers)
        self._steps_left = 0

    @property
    def stored_mm(self) -> float:
        """Water in all layers."""
        return sum(self.water_mm)

    @property
    def vwc(self) -> float:
        """Mean water content of the root zone, m3/m3."""
        return self.stored_mm / sum(layer.thickness_mm for layer in self.layers)

    def at(self, depth_m: float) -> float:
        """Water content at a depth, m3/m3: straight lines between the middles of the layers."""
        below = depth_m * 1000
        points: list[tuple[float, float]] = []
        top = 0.0
        for layer, water in zip(self.layers, self.water_mm, strict=True):
            points.append((top + layer.thickness_mm / 2, water / layer.thickness_mm))
            top += layer.thickness_mm
        return interpolate(points, below)

    def step(self, rain_mm: float, irrigation_mm: float, reference_et_mm_h: float) -> None:
        """Move on by STEP_S with what fell in it; the reference evapotranspiration counts when a new plan is due."""
        if self._steps_left == 0:
            self._plan(reference_et_mm_h)
            self._steps_left = SLOW_STEPS
        self._steps_left -= 1
        water, field = self.water_mm, self._field_mm
        wet = rain_mm + irrigation_mm > 0
        for index, change in enumerate(self._changes):
            water[index] += change
            wet = wet or water[index] > field[index]
        account = self.account
        account.evapotranspiration_mm += self._taken_mm
        if wet:
            account.rain_mm += rain_mm
            account.irrigation_mm += irrigation_mm
            account.percolation_mm += self._drain()
            account.runoff_mm += self._infiltrate(rain_mm + irrigation_mm)

    def _drain(self) -> float:
        """Water above field capacity sinks at the layer's conductivity, as far as the one below has room."""
        water, full = self.water_mm, self._full_mm
        room = math.inf
        percolation_mm = 0.0
        for index in range(len(water) - 1, -1, -1):
            surplus = water[index] - self._field_mm[index]
            flow = 0.0
            if surplus > 0:
                flow = self._full_flow[index] * min(1.0, water[index] / full[index]) ** self._exponents[index]
                flow = max(0.0, min(flow, surplus, room))
                water[index] -= flow
            if index + 1 < len(water):
                water[index + 1] += flow
            else:
                percolation_mm = flow
            room = full[index] - water[index]
        return percolation_mm

    def _infiltrate(self, offered_mm: float) -> float:
        """Let in what the top layer takes, and return the rest, with what full layers push up: the runoff."""
        water, full = self.water_mm, self._full_mm
        infiltration_mm = min(offered_mm, infiltration_capacity_mm_h(self.layers[0], water[0]) / STEPS_PER_H)
        water[0] += infiltration_mm
        for index in range(len(water) - 1, 0, -1):
            surplus = water[index] - full[index]
            if surplus > 0:
                water[index] -= surplus
                water[index - 1] += surplus
        over = max(0.0, water[0] - full[0])
        water[0] -= over
        return offered_mm - infiltration_mm + over

    def _plan(self, reference_mm_h: float) -> None:
        """What roots, sun and capillarity will move in each of the next SLOW_STEPS steps."""
        hours = SLOW_STEPS / STEPS_PER_H
        losses = self._uptake(reference_mm_h * hours)
        losses[0] += self._evaporation(reference_mm_h * hours, losses[0])
        rises = self._capillary_rises(hours)
        self._taken_mm = sum(losses) / SLOW_STEPS
        self._changes = [-loss / SLOW_STEPS for loss in losses]
        for index, rise in enumerate(rises):
            self._changes[index] += rise / SLOW_STEPS
            self._changes[index + 1] -= rise / SLOW_STEPS

    def _uptake(self, reference_mm: float) -> list[float]:
        """Transpiration by layer: FAO-56's stressed demand, spread by roots and by the water that each layer offers."""
        available = [max(0.0, w - wp) for w, wp in zip(self.water_mm, self._wilting_mm, strict=True)]
        total = [fc - wp for fc, wp in zip(self._field_mm, self._wilting_mm, strict=True)]
        demand = self.plants.kc * self.plants.cover * reference_mm * stress(sum(available) / sum(total), self.plants)
        weights = [
            layer.roots * min(1.0, has / could) for layer, has, could in zip(self.layers, available, total, strict=True)
        ]
        whole = sum(weights)
        if not whole:
            return [0.0] * len(weights)
        return [min(has / 2, demand * weight / whole) for has, weight in zip(available, weights, strict=True)]

    def _evaporation(self, reference_mm: float, transpired_mm: float) -> float:
        """From the bare share of the top layer, down to half its wilting point [FAO-56, equations 71, 73 and 74]."""
        top_mm = self.water_mm[0] - self._wilting_mm[0] / 2
        evaporable = self._field_mm[0] - self._wilting_mm[0] / 2
        dryness = min(1.0, max(0.0, top_mm / (evaporable * (1 - READILY_EVAPORABLE))))
        demand_mm = BARE_KC * (1 - self.plants.cover) * reference_mm * dryness
        return max(0.0, min(demand_mm, (top_mm - transpired_mm) / 2))

    def _capillary_rises(self, hours: float) -> list[float]:
        """Upward flow over each border (negative: down) by Darcy; above field capacity, down is `_drain`'s.

        At most a tenth of what would make both sides equally full, so that an hour's step stays stable.
        """
        dry = [has < field for has, field in zip(self.water_mm, self._field_mm, strict=True)]
        return [
            self._rise(index, hours, most_down=math.inf if dry[index + 1] else 0.0) if dry[index] else 0.0
            for index in range(len(self.layers) - 1)
        ]

    def _rise(self, index: int, hours: float, most_down: float) -> float:
        upper, lower = self.layers[index], self.layers[index + 1]
        above = self.water_mm[index] / upper.thickness_mm
        below = self.water_mm[index + 1] / lower.thickness_mm
        distance = (upper.thickness_mm + lower.thickness_mm) / 2
        between = math.sqrt(upper.conductivity(above) * lower.conductivity(below))
        flow = between * ((lower.head_mm(below) - upper.head_mm(above)) / distance - 1) * hours
        share = below / lower.field_capacity - above / upper.field_capacity
        limit = abs(share) * min(self._field_mm[index], self._field_mm[index + 1]) / 10
        return max(-min(limit, most_down), min(limit, flow))


def stress(available_share: float, plants: Plants) -> float:
    """Ks, the share of the demand that a crop finds, by the share of its available water left [FAO-56, equation 84]."""
    return min(1.0, max(0.0, available_share / (1 - plants.depletion)))


def infiltration_capacity_mm_h(layer: Layer, water_mm: float) -> float:
    """What a layer at the surface lets in: its conductivity, and more the more room it has [H]."""
    room = max(0.0, layer.saturation * layer.thickness_mm - water_mm)
    return float(layer.conductivity_mm_h + INCH_MM * HOLTAN_A * (room / INCH_MM) ** 1.4)


class Warmth:
    """Soil temperature by depth: conduction from the surface down, an hour a step, straight lines between hours.

    Lag and damping follow from the diffusivity: the daily wave shrinks to 1/e at sqrt(2 D / omega), about 0.12 m
    [C, equation 8.7]. Below the last node the soil keeps its slow mean.
    """

    NODES_M = (0.0, 0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50, 0.65, 0.80, 1.00)
    SUN_C_PER_W_M2 = 0.006  # the surface under a crop is warmer than the air by this times the shortwave radiation
    DIFFUSIVITY_M2_S = 5e-7

    def __init__(self, initial_c: float) -> None:
        self.now_c = [initial_c] * len(self.NODES_M)
        self.next_c = list(self.now_c)
        self._gains = _conduction_gains(self.NODES_M, self.DIFFUSIVITY_M2_S)

    def hour(self, air_c: float, solar_w_m2: float) -> None:
        """Begin an hour with this weather."""
        self.now_c = self.next_c
        old = self.now_c
        new = [air_c + self.SUN_C_PER_W_M2 * max(0.0, solar_w_m2), *old[1:]]
        for index, (from_above, from_below) in enumerate(self._gains, 1):
            new[index] += from_above * (new[index - 1] - old[index])
            if index + 1 < len(old):
                new[index] += from_below * (old[index + 1] - old[index])
        self.next_c = new

    def at(self, depth_m: float, into_hour: float) -> float:
        """degC at a depth, at a share (0..1) of the hour that began last."""
        nodes = [
            (depth, before + (after - before) * into_hour)
            for depth, before, after in zip(self.NODES_M, self.now_c, self.next_c, strict=True)
        ]
        return interpolate(nodes, depth_m)


def _conduction_gains(nodes_m: Sequence[float], diffusivity: float) -> list[tuple[float, float]]:
    gains = []
    for index in range(1, len(nodes_m)):
        above = nodes_m[index] - nodes_m[index - 1]
        below = nodes_m[index + 1] - nodes_m[index] if index + 1 < len(nodes_m) else above
        scale = diffusivity * 3600 / ((above + below) / 2)
        # Implicit in each node's own value, so that thin layers stay stable at an hour's step.
        whole = 1 + scale / above + scale / below
        gains.append((scale / above / whole, scale / below / whole))
    return gains


def interpolate(points: Sequence[tuple[float, float]], x: float) -> float:
    """The value at x on straight lines between points in order of x; level beyond both ends."""
    before = points[0]
    if x <= before[0]:
        return before[1]
    for after in points[1:]:
        if x <= after[0]:
            return before[1] + (after[1] - before[1]) * (x - before[0]) / (after[0] - before[0])
        before = after
    return before[1]
