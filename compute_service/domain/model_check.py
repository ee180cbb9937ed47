"""Whether a zone's model is one that can be: every number of it is finite, and no farther than any soil or crop goes.

A model that fails is never kept, and one that was kept is not gone by: what came of it is a question of `zone_models`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agronomy.balance import State
from agronomy.probes import Probe
from compute_service.errors import ComputeError
from protocol.messages import LATEST
from protocol.physics import LIMITS

if TYPE_CHECKING:
    from agronomy.fusion import Belief
    from compute_service.domain.zone_model import ZoneModel

DEEPEST_M = 5.0  # of roots, as the zones file has it
MOST_MM = 1000 * DEEPEST_M  # more water than so deep a soil has room for
DEMANDS = (0.0, 10.0)  # of a crop, over what its tables say
_DAY_RAIN_MM = LIMITS["day_rain_mm"][2]

Bound = tuple[str, float, float, float]


class ModelError(ComputeError):
    """What is believed of a zone cannot be; the text says which number."""


def check(model: "ZoneModel") -> None:
    """Hold every number of a model against what can be. Raises ModelError."""
    for name, value, least, most in _bounds(model):
        if not (isinstance(value, (int, float)) and least <= value <= most):  # NaN is in no bounds
            raise ModelError(f"{name} of {value!r:.40}: {least:g} to {most:g} can be")


def _bounds(model: "ZoneModel") -> Iterator[Bound]:
    yield from _state(model.state)
    yield from _belief(model.belief)
    for name, probe in model.probes.items():
        yield from _probe(name, probe)
    account = model.day.account
    yield "et0_mm", model.day.et0_mm, 0.0, MOST_MM
    # Water of the last day: rain, and all that emitters can give, which the soil's own room does not bound.
    yield "rain_mm", account.rain_mm, 0.0, 2 * _DAY_RAIN_MM
    yield "irrigation_mm", account.irrigation_mm, -1e6, 1e6
    for name in ("evaporation_mm", "transpiration_mm", "percolation_mm"):
        yield name, getattr(account, name), -1e6, 1e6
    for flux in model.fluxes:
        yield "hour", flux.at, 0, LATEST
        yield "unmet_mm", flux.unmet_mm, -MOST_MM, MOST_MM
    yield "at", model.at, 0, LATEST
    yield "unseen_mm", model.unseen_mm, -1e6, 1e6
    if model.refilling:
        yield "left_mm", model.refilling.left_mm, -MOST_MM, MOST_MM
        yield "least_mm", model.refilling.least_mm, -MOST_MM, MOST_MM
        yield "begun_at", model.refilling.begun_at, 0, LATEST
        yield "soak_s", model.refilling.soak_s, 0, LATEST
    if model.watch:
        yield "net_mm", model.watch.net_mm, -1e6, 1e6
        yield "settled_at", model.watch.settled_at, 0, LATEST
        for vwc in (*model.watch.before.values(), *model.watch.highest.values()):
            yield "watched vwc", vwc, 0.0, 1.0


def _state(state: State) -> Iterator[Bound]:
    for name in ("depletion_mm", "surface_mm", "subsoil_mm"):
        yield name, getattr(state, name), -MOST_MM, MOST_MM
    yield "roots_m", state.roots_m, 0.0, DEEPEST_M
    yield "wetted", state.wetted, 0.0, 1.0


def _belief(belief: "Belief") -> Iterator[Bound]:
    (depletion_mm, demand, offset), cov = belief.estimate
    yield "depletion_mm", depletion_mm, -MOST_MM, MOST_MM
    yield "demand", demand, *DEMANDS
    yield "offset", offset, -1.0, 1.0
    for number, value in enumerate(cov):
        yield "covariance", value, 0.0 if number in {0, 3, 5} else -1e9, 1e9
    for name in ("at", "wet_at", "full_at"):
        yield name, getattr(belief, name), 0, LATEST
    yield "surprised", belief.surprised, 0, LATEST
    yield "reach_m", belief.reach_m, 0.0, 2 * DEEPEST_M
    yield "below_mm", belief.below_mm, -MOST_MM, MOST_MM
    yield "deep", belief.deep, -1.0, 1.0 + 1e-9


def _probe(name: str, probe: Probe) -> Iterator[Bound]:
    yield f"{name}: depth_m", probe.depth_m, 0.0, DEEPEST_M
    if probe.vwc is not None:
        yield f"{name}: vwc", probe.vwc, 0.0, 1.0
    for what in ("at", "heard_at", "same_since", "full_first_at", "full_at"):
        yield f"{name}: {what}", getattr(probe, what), 0, LATEST
    yield f"{name}: interval_s", probe.interval_s, 0.0, LATEST
    for what in ("low", "high", "doubted", "full_first", "full_last"):
        value = getattr(probe, what)
        if value is not None or what.startswith("full"):
            yield f"{name}: {what}", value, -1e3, 1e3
    for what in ("repeats", "unbelievable", "percent", "full_days"):
        yield f"{name}: {what}", getattr(probe, what), 0, LATEST
