"""From a depth of water to a valve's seconds and litres, and to the rests in which it soaks in.

1 mm of water is 1 litre on each square metre. Net depth is what the roots get, gross what the emitters give.
"""

from dataclasses import dataclass

from agronomy.errors import AgronomyError
from agronomy.units import HOUR_S

LEAST_CYCLE_S = 120  # the pipes fill first, and a shorter opening waters nothing


class EmitterError(AgronomyError):
    """Emitters that cannot be; the text says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Emitters:
    """How a zone is watered. `efficiency` is the share that reaches the roots.

    `infiltration_mm_h` is what wet soil lets in, None where that was never measured, and `ponding_mm` what may stand on
    it for a while without running off.
    """

    area_m2: float
    application_rate_mm_h: float
    efficiency: float = 1.0
    infiltration_mm_h: float | None = None
    ponding_mm: float = 5.0

    def __post_init__(self) -> None:
        if self.area_m2 <= 0 or self.application_rate_mm_h <= 0:
            raise EmitterError(f"{self.area_m2} m2 at {self.application_rate_mm_h} mm/h: want more than 0 of both")
        if not 0 < self.efficiency <= 1:
            raise EmitterError(f"efficiency {self.efficiency}: want a fraction above 0, at most 1")
        if self.infiltration_mm_h is not None and self.infiltration_mm_h <= 0:
            raise EmitterError(f"infiltration {self.infiltration_mm_h} mm/h: want more than 0, or leave it away")
        if self.ponding_mm <= 0:
            raise EmitterError(f"ponding {self.ponding_mm} mm: want more than 0")

    @property
    def flow_l_min(self) -> float:
        """What all emitters take together."""
        return self.application_rate_mm_h * self.area_m2 / 60


@dataclass(frozen=True, slots=True)
class Cycle:
    """An opening, and the rest before the next."""

    open_s: int
    soak_s: int


@dataclass(frozen=True, slots=True)
class Refill:
    """A depth as a valve can give it. `net_mm` is what it really brings, in whole seconds."""

    net_mm: float
    gross_mm: float
    duration_s: int
    litres: float
    cycles: tuple[Cycle, ...]

    @property
    def elapsed_s(self) -> int:
        """From the first opening to the last closing."""
        return sum(cycle.open_s + cycle.soak_s for cycle in self.cycles)


def refill(emitters: Emitters, net_mm: float, most_s: int | None = None) -> Refill:
    """What brings a net depth to the roots, in at most `most_s` seconds of opening."""
    rate_mm_s = emitters.application_rate_mm_h / HOUR_S
    seconds = round(max(net_mm, 0.0) / emitters.efficiency / rate_mm_s)
    if most_s is not None:
        seconds = min(seconds, max(most_s, 0))
    gross = seconds * rate_mm_s
    return Refill(
        gross * emitters.efficiency, gross, seconds, gross * emitters.area_m2, tuple(_cycles(emitters, seconds))
    )


def net_mm(emitters: Emitters, litres: float) -> float:
    """What measured litres brought to the roots."""
    return litres / emitters.area_m2 * emitters.efficiency


def _cycles(emitters: Emitters, seconds: int) -> list[Cycle]:
    """Equal openings that never pond deeper than allowed, and rests in which all of it soaks in."""
    if seconds <= 0:
        return []
    most = _longest_s(emitters) or seconds
    count = -(-seconds // most)
    openings = [seconds // count + (index < seconds % count) for index in range(count)]
    return [
        Cycle(opening, _soak_s(emitters, opening) if index < count - 1 else 0) for index, opening in enumerate(openings)
    ]


def _longest_s(emitters: Emitters) -> int | None:
    """How long until the allowed depth stands on the soil; None if it never does."""
    if emitters.infiltration_mm_h is None or emitters.infiltration_mm_h >= emitters.application_rate_mm_h:
        return None
    ponds_mm_h = emitters.application_rate_mm_h - emitters.infiltration_mm_h
    return max(LEAST_CYCLE_S, int(emitters.ponding_mm / ponds_mm_h * HOUR_S))


def _soak_s(emitters: Emitters, open_s: int) -> int:
    """How long what an opening left standing takes to go."""
    assert emitters.infiltration_mm_h is not None  # or there were no second cycle
    left_mm = (emitters.application_rate_mm_h - emitters.infiltration_mm_h) * open_s / HOUR_S
    return -int(-left_mm / emitters.infiltration_mm_h * HOUR_S // 1)
