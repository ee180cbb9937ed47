"""What a controller is told of a field, and what is made of its orders: probes, rain gauge, station, meter, faults.

The same luck for every policy: noise and dropouts come from the site, the season and the day alone.
"""

import random
from dataclasses import dataclass

from benchmarks.water import field
from benchmarks.water.sites import Site

PROBE_DEPTHS_M = (0.10, 0.30, 0.60)
PROBE_LAG = 0.3  # of a day's change, so much shows only the day after
DROPOUT_DAYS, DROPOUT_CHANCE = 5, 1 / 25  # how long the probes are silent, and how likely that begins on a day
DAYS_A_MONTH = 30.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Everything that can be wrong at once; the defaults are an honest installation. Moisture in m3/m3."""

    name: str = "none"
    et0_factor: float = 1.0
    soil_factor: float = 1.0  # of the field capacity and wilting point that are configured
    noise: float = 0.01  # standard deviation of a day's reading of one probe
    bias: float = 0.0
    drift_a_month: float = 0.0
    dropouts: bool = False
    stuck_probe: bool = False  # one of the three tells its first reading for ever
    undelivered: float = 0.0  # part of the runs where no water flows, and the meter says so
    rain_measured: bool = True


NONE = Fault()
FAULTS = (
    Fault(name="et0_high", et0_factor=1.2),
    Fault(name="et0_low", et0_factor=0.8),
    Fault(name="bias_high", bias=0.03),
    Fault(name="bias_low", bias=-0.03),
    Fault(name="drift_high", drift_a_month=0.02),
    Fault(name="drift_low", drift_a_month=-0.02),
    Fault(name="noise", noise=0.02),
    Fault(name="dropouts", dropouts=True),
    Fault(name="stuck", stuck_probe=True),
    Fault(name="soil_high", soil_factor=1.2),
    Fault(name="soil_low", soil_factor=0.8),
    Fault(name="undelivered", undelivered=0.1),
    Fault(name="rain_unmeasured", rain_measured=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a grower writes into the zones file. Soil in m3/m3, as believed."""

    crop: str
    cycle_days: int  # from sowing to maturity, from the seed catalogue
    field_capacity: float
    wilting_point: float
    roots_m: float  # how deep the grown crop roots in this field, as a spade shows
    normal_et0_mm: float  # a day's, in the season's peak month: what a fixed program would be set up for


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known in the evening: the day's weather, the water that the meter saw, and each probe's reading."""

    day: int  # after sowing, the first is 1
    t_min_c: float
    t_max_c: float
    et0_mm: float
    rain_mm: float | None  # None where no gauge is
    irrigation_mm: float
    probes: tuple[float | None, ...]  # at PROBE_DEPTHS_M; None is silence


def known(site: Site, fault: Fault) -> Known:
    """What the controller of a site is configured with."""
    capacity, wilting = field.field_capacity(site.soil)
    climate = site.climate
    return Known(
        crop=site.crop,
        cycle_days=field.cycle_days(site.crop),
        field_capacity=capacity * fault.soil_factor,
        wilting_point=wilting * fault.soil_factor,
        roots_m=field.roots_m(site.crop),
        normal_et0_mm=field.peak_et0_mm(climate.name, climate.sowing[site.crop], field.cycle_days(site.crop)),
    )


class Instruments:
    """The installation of one field for one season, with one fault."""

    def __init__(self, season: field.Season, fault: Fault, luck: str) -> None:
        self._season, self._fault = season, fault
        self._luck = {name: random.Random(f"{luck}/{name}") for name in ("noise", "dropouts", "runs")}  # noqa: S311
        self._stuck_index = random.Random(luck).randrange(len(PROBE_DEPTHS_M)) if fault.stuck_probe else None  # noqa: S311
        self._lagging = self._moisture()
        self._first: tuple[float, ...] = ()
        self._silent_days = 0
        self._day = 0

    def live(self, wanted_mm: float) -> Seen:
        """One day in which the valve was told to give so much; what is seen in its evening."""
        weather = self._season.today()
        flows = self._luck["runs"].random() >= self._fault.undelivered
        applied_mm = self._season.live(wanted_mm if flows else 0.0)
        self._day += 1
        return Seen(
            day=self._day,
            t_min_c=weather.t_min_c,
            t_max_c=weather.t_max_c,
            et0_mm=weather.et0_mm * self._fault.et0_factor,
            rain_mm=weather.rain_mm if self._fault.rain_measured else None,
            irrigation_mm=applied_mm,
            probes=self._read(),
        )

    def _read(self) -> tuple[float | None, ...]:
        fault, noise = self._fault, self._luck["noise"]
        now = self._moisture()
        self._lagging = tuple(new + PROBE_LAG * (old - new) for old, new in zip(self._lagging, now, strict=True))
        error = fault.bias + fault.drift_a_month * self._day / DAYS_A_MONTH
        moisture = tuple(min(max(vwc + error + noise.gauss(0, fault.noise), 0.0), 1.0) for vwc in self._lagging)
        self._first = self._first or moisture
        if self._stuck_index is not None:
            moisture = replace_at(moisture, self._stuck_index, self._first[self._stuck_index])
        return (None,) * len(moisture) if self._silent() else moisture

    def _silent(self) -> bool:
        begins = self._luck["dropouts"].random() < DROPOUT_CHANCE
        if self._fault.dropouts and begins and not self._silent_days:
            self._silent_days = DROPOUT_DAYS
        silent = self._silent_days > 0
        self._silent_days = max(self._silent_days - 1, 0)
        return silent

    def _moisture(self) -> tuple[float, ...]:
        return tuple(self._season.moisture(depth) for depth in PROBE_DEPTHS_M)


def replace_at(values: tuple[float, ...], place: int, value: float) -> tuple[float, ...]:
    """The same values but one."""
    return (*values[:place], value, *values[place + 1 :])
