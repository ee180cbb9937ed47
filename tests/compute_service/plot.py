"""One plot of the simulator's seasons, believed in hour by hour: balance, probes and filter, as a service would."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from agronomy import balance, fusion
from agronomy.crops import Kc
from agronomy.probes import Probe, hear
from tests.compute_service.seasons import DEPTHS_M, FIELD_CAPACITY, KC, NAMES, ROOTS_M, WILTING_POINT, Hour

SOIL = balance.Soil(FIELD_CAPACITY, WILTING_POINT)
CROP = Kc(stage="mid", single=KC, basal=0.85 * KC, height_m=0.4, roots_m=ROOTS_M, depletion_fraction=0.5)
GROUND = fusion.Ground(FIELD_CAPACITY, WILTING_POINT, ROOTS_M)

Change = Callable[[int, tuple[float, ...]], Sequence[float | str | None]]
Gauge = Callable[[Hour], tuple[float, float]]


@dataclass
class Told:
    """What was believed in each hour: its error (mm), and the verdict on each probe."""

    errors: list[float] = field(default_factory=list)
    verdicts: list[dict[str, str]] = field(default_factory=list)
    belief: fusion.Belief = field(default_factory=fusion.begin)
    probes: dict[str, Probe] = field(
        default_factory=lambda: {name: Probe(depth) for name, depth in zip(NAMES, DEPTHS_M, strict=True)}
    )

    @property
    def rms_mm(self) -> float:
        """Root mean square of the errors after the first ten days."""
        late = self.errors[240:]
        return math.sqrt(sum(error * error for error in late) / len(late))


def honest(_at: int, read: tuple[float, ...]) -> tuple[float, ...]:
    """What the probes read."""
    return read


def measured(hour: Hour) -> tuple[float, float]:
    """All rain and all runs."""
    return hour.rain_mm, hour.run_mm


def live(
    hours: Sequence[Hour],
    change: Change = honest,
    *,
    et0_factor: float = 1.0,
    gauge: Gauge = measured,
    fuse: bool = True,
) -> Told:
    """Believe through a season; a reading changed to a text is not heard at all."""
    told, state = Told(), balance.State(roots_m=ROOTS_M)
    for hour in hours:
        rain, run = gauge(hour)
        weather = balance.Weather(hour.et0_mm * et0_factor * told.belief.demand, rain_mm=rain, irrigation_mm=run)
        state, account = balance.step(SOIL, replace(state, depletion_mm=told.belief.depletion_mm), CROP, weather)
        told.belief = fusion.predict(told.belief, account, hour.at, 1 / 24)
        if fuse:
            for name, vwc in zip(NAMES, change(hour.at, hour.read), strict=True):
                if not isinstance(vwc, str):
                    told.probes[name] = hear(told.probes[name], vwc, hour.at, WILTING_POINT)
            told.belief, told.probes, verdicts = fusion.observe(told.belief, told.probes, GROUND, hour.at)
            told.verdicts.append({name: verdict.kind for name, verdict in verdicts.items()})
        told.errors.append(told.belief.depletion_mm - hour.depletion_mm)
    return told
