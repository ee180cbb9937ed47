"""Each fault changes what a probe, a meter or an ack says in the way its label claims, and no water is lost by it."""

import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from gateway_sim.errors import FaultError
from gateway_sim.faults import KINDS, Faults, parse
from gateway_sim.hydraulics import Supply
from gateway_sim.soil import STEP_S, Column, Plants, uniform

T0 = 1_591_675_200
DAY_S = 86400
GATEWAY = "irrigation-gateway-1"
SENSOR, OTHER = f"{GATEWAY}.soil-a", f"{GATEWAY}.soil-b"
ZONES = ("plot-1a", "plot-1b")
TARGETS = {"sensor": [SENSOR, OTHER], "zone": [*ZONES], "gateway": [GATEWAY]}
STRUCK = {"sensor": SENSOR, "zone": "plot-1a", "gateway": GATEWAY}


def faults(kind: str, **row: Any) -> Faults:
    """One fault from the second to the fourth day."""
    target = [SENSOR, OTHER] if kind == "swapped" else STRUCK[KINDS[kind].strikes]
    return parse([{"kind": kind, "target": target, "from": "1d", "until": "3d"} | row], TARGETS, T0, seed=5)


def said(schedule: Faults, days: float, vwc: float = 0.2, sensor: str = SENSOR) -> float | None:
    return schedule.told(sensor, {"vwc": vwc, "soil_temperature_c": 15.0}, T0 + round(days * DAY_S))["vwc"]


def test_noise_scatters() -> None:
    """The mean stays, the standard deviation is the amount."""
    schedule = faults("noise", amount=0.03)
    values = [said(schedule, 1 + number / 1000) for number in range(1500)]
    assert statistics.mean(value or 0 for value in values) == pytest.approx(0.2, abs=0.003)
    assert statistics.stdev(value or 0 for value in values) == pytest.approx(0.03, rel=0.1)


def test_bias_is_the_same_always() -> None:
    """The amount is added, of either sign."""
    assert [said(faults("bias", amount=amount), days) for amount, days in ((0.04, 1), (-0.04, 2.9))] == [0.24, 0.16]


def test_drift_grows_by_the_day() -> None:
    """Nothing at the begin, the amount after a day, twice after two."""
    schedule = faults("drift", amount=0.01)
    assert [said(schedule, days) for days in (1, 2, 2.5)] == pytest.approx([0.2, 0.21, 0.215])


def test_stuck_says_one_value() -> None:
    """Whatever the soil does."""
    assert {said(faults("stuck", amount=0.31), 1.5, vwc) for vwc in (0.1, 0.2, 0.4)} == {0.31}


def test_dropout_leaves_values_out() -> None:
    """A share of them is None, and all by default; the other quantity stays."""
    schedule = faults("dropout", amount=0.25)
    values = [said(schedule, 1 + number / 1000) for number in range(1500)]
    assert values.count(None) / 1500 == pytest.approx(0.25, abs=0.04)
    told = faults("dropout").told(SENSOR, {"vwc": 0.2, "soil_temperature_c": 15.0}, T0 + DAY_S)
    assert told == {"vwc": None, "soil_temperature_c": 15.0}


def test_percent_is_a_hundred_times_the_fraction() -> None:
    """A probe that was set up in another unit."""
    assert said(faults("percent"), 2, 0.234) == pytest.approx(23.4)


def test_swapped_probes_speak_of_each_others_place() -> None:
    """Each sensor id reports the other's soil, while it lasts, and others are left alone."""
    schedule = faults("swapped")
    at = T0 + 2 * DAY_S
    assert (schedule.wired(SENSOR, at), schedule.wired(OTHER, at)) == (OTHER, SENSOR)
    assert schedule.wired(f"{GATEWAY}.weather", at) == f"{GATEWAY}.weather"
    assert schedule.wired(SENSOR, T0) == schedule.wired(SENSOR, T0 + 3 * DAY_S) == SENSOR


@pytest.mark.parametrize("kind", [kind for kind, row in KINDS.items() if row.change])
def test_a_value_fault_lasts_from_its_begin_to_its_end(kind: str) -> None:
    """Before, after and for other sensors the truth is told; within, the same moment gives the same lie."""
    schedule = faults(kind, amount=1.0)
    assert [said(schedule, days) for days in (0.999, 3)] == [0.2, 0.2]
    assert said(schedule, 2, sensor=OTHER) == 0.2
    if kind != "percent":
        assert said(schedule, 2) != 0.2
    assert said(schedule, 2) == said(schedule, 2)


def test_faults_of_one_sensor_add_up_in_their_order() -> None:
    """A biased probe in percent says a biased percentage."""
    rows = [{"kind": "bias", "target": SENSOR, "amount": 0.05}, {"kind": "percent", "target": SENSOR}]
    assert said(parse(rows, TARGETS, T0), 9) == pytest.approx(25.0)


def test_another_quantity_can_be_struck() -> None:
    """The thermometer drifts, the moisture does not."""
    told = faults("bias", quantity="soil_temperature_c", amount=5).told(
        SENSOR, {"vwc": 0.2, "soil_temperature_c": 15.0}, T0 + DAY_S
    )
    assert told == {"vwc": 0.2, "soil_temperature_c": 20.0}


class Plot:
    """A zone of 100 m2 with a valve that is opened for an hour in the second day, through faulty pipes."""

    def __init__(self, schedule: Faults) -> None:
        self.supply = Supply(dict.fromkeys(ZONES, 20.0), T0 * 1000, defects=schedule.defects(ZONES), pulse_l=1.0)
        self.column = Column(uniform(0.5, 0.13, 0.27, 0.46, 15.0), Plants(1.1, 0.5), 0.2)
        self.stored_mm = self.column.stored_mm
        opening = (T0 + DAY_S + 3600) * 1000
        self.supply.set_valve("plot-1a", opening, True)
        before = self.supply.metered_l("plot-1a", opening)
        self.supply.set_valve("plot-1a", opening + 3600_000, False)
        self.acked_l = self.supply.metered_l("plot-1a", opening + 3600_000) - before
        for step in range(4 * DAY_S // STEP_S):
            ends = [self.supply.roots_l("plot-1a", (T0 + (step + more) * STEP_S) * 1000) for more in (0, 1)]
            self.column.step(0.0, (ends[1] - ends[0]) / 100, 0.2)

    @property
    def end_l(self) -> float:
        return self.supply.metered_l("plot-1a", (T0 + 4 * DAY_S) * 1000)

    @property
    def unbalanced_mm(self) -> float:
        return self.column.stored_mm - self.stored_mm - self.column.account.net_mm


LINES: dict[str, tuple[dict[str, Any], Callable[[Plot, Plot], bool]]] = {
    "a valve that does not open: the ack says nothing flowed": (
        {"kind": "dead_valve"},
        lambda plot, _: plot.acked_l == plot.end_l == plot.column.account.irrigation_mm == 0,
    ),
    "a valve that does not close: the meter runs on after the ack, until it is mended": (
        {"kind": "dead_valve", "amount": 1},
        lambda plot, sound: plot.acked_l == sound.acked_l and plot.end_l == pytest.approx(1200 * (48 - 1), abs=1),
    ),
    "clogged: the ack and the soil have less": (
        {"kind": "clogged", "amount": 0.6},
        lambda plot, sound: (
            0.35 < plot.acked_l / sound.acked_l < 0.55
            and plot.column.account.irrigation_mm * 100 == pytest.approx(plot.end_l, abs=1)
        ),
    ),
    "burst: the ack says more, the soil has less": (
        {"kind": "burst", "amount": 1.0},
        lambda plot, sound: (
            plot.acked_l > 1.3 * sound.acked_l
            and plot.column.account.irrigation_mm < 0.9 * sound.column.account.irrigation_mm
        ),
    ),
}


@pytest.mark.parametrize("label", LINES)
def test_a_line_fault_shows_at_the_meter_and_the_balance_closes(label: str) -> None:
    """What the meter, the ack and the soil say is what the label claims, and in minus out is the change of storage."""
    row, claim = LINES[label]
    sound, plot = Plot(Faults()), Plot(faults(**row))
    assert sound.acked_l == 1200
    assert sound.column.account.irrigation_mm == pytest.approx(12.0)
    assert claim(plot, sound)
    assert abs(sound.unbalanced_mm) < 1e-6
    assert abs(plot.unbalanced_mm) < 1e-6


def test_the_clock_is_wrong_for_a_while() -> None:
    """By the amount, early or late."""
    schedule = faults("wrong_clock", amount=-7200)
    assert [schedule.clock_offset_s(GATEWAY, T0 + days * DAY_S) for days in (0, 1, 2, 3)] == [0, -7200, -7200, 0]


def test_wifi_is_lost_for_a_while() -> None:
    """From its begin to its end, for that gateway."""
    schedule = faults("wifi_loss")
    assert [schedule.offline(GATEWAY, T0 + days * DAY_S) for days in (0, 1, 2, 3)] == [False, True, True, False]
    assert not schedule.offline("irrigation-gateway-2", T0 + DAY_S)


def test_a_reboot_has_its_time() -> None:
    """Each is known beforehand, in order, with the seconds without power."""
    rows = [{"kind": "reboot", "target": GATEWAY, "from": text, "amount": 30} for text in ("2d", "1d 6h")]
    assert parse(rows, TARGETS, T0).reboots(GATEWAY) == [(T0 + 1.25 * DAY_S, 30), (T0 + 2 * DAY_S, 30)]


def test_a_brown_out_waits_for_a_valve() -> None:
    """An opening resets the board while the supply is weak, and not before or after."""
    schedule = faults("brown_out", amount=12)
    assert [schedule.brown_out_s(GATEWAY, T0 + days * DAY_S) for days in (0, 1, 3)] == [None, 12, None]


def test_the_fleet_learns_when_something_changes() -> None:
    """The next begin or end of any fault, and never after the last."""
    schedule = faults("wifi_loss")
    assert schedule.next_change(T0) == T0 + DAY_S
    assert schedule.next_change(T0 + DAY_S) == T0 + 3 * DAY_S
    assert schedule.next_change(T0 + 3 * DAY_S) == math.inf


@pytest.mark.parametrize(
    ("text", "days"),
    [("0d", 0), ("1d 6h", 1.25), ("36h", 1.5), ("90m", 0.0625), ("2020-06-10T00:00-04:00", 1), (0, None)],
)
def test_times_are_since_the_start_or_on_the_calendar(text: object, days: float | None) -> None:
    """Both ways name the same moment; a bare number is refused, for nobody can tell its unit."""
    row = {"kind": "percent", "target": SENSOR, "from": text}
    if days is None:
        with pytest.raises(FaultError, match="from 0: want a time"):
            parse([row], TARGETS, T0)
    else:
        assert parse([row], TARGETS, T0).all[0].begin == T0 + days * DAY_S


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("noise", "want kind, target"),
        ({"kind": "gremlin", "target": SENSOR}, "unknown kind 'gremlin'; there are noise, bias"),
        ({"kind": ["noise"], "target": SENSOR}, "unknown kind"),
        ({"kind": "noise"}, "no sensor None; there are"),
        ({"kind": "noise", "target": "plot-1a"}, f"no sensor 'plot-1a'; there are {SENSOR}"),
        ({"kind": "burst", "target": "plot-9z"}, "no zone 'plot-9z'; there are plot-1a, plot-1b"),
        ({"kind": "reboot", "target": [GATEWAY, GATEWAY]}, "want one gateway id"),
        ({"kind": "swapped", "target": SENSOR}, "want a list of 2 different sensor id"),
        ({"kind": "swapped", "target": [SENSOR, SENSOR]}, "want a list of 2 different"),
        ({"kind": "bias", "target": SENSOR, "from": "2d", "until": "1d"}, "until 1d is not after from 2d"),
        ({"kind": "bias", "target": SENSOR, "from": "yesterday"}, "from 'yesterday': want a time since the start"),
        ({"kind": "bias", "target": SENSOR, "from": "2020-06-10 06:00"}, "want a time since"),
        ({"kind": "bias", "target": SENSOR, "amount": "much"}, "amount 'much'; want a number"),
        ({"kind": "stuck", "target": SENSOR}, "amount None; want a number"),
        ({"kind": "clogged", "target": "plot-1a", "amount": 1.5}, "want a number from 0 to 0.99"),
        ({"kind": "dropout", "target": SENSOR, "amount": math.nan}, "want a number from 0 to 1"),
        ({"kind": "dropout", "target": SENSOR, "till": "2d"}, "unknown till"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(row: object, why: str) -> None:
    """The row, what is wrong, and what would be right are named."""
    sound = {"kind": "percent", "target": SENSOR}
    with pytest.raises(FaultError, match="fault 2") as caught:
        parse([sound, row], TARGETS, T0)
    assert why in str(caught.value)


def test_no_faults_are_no_faults() -> None:
    """An empty scenario is sound; a wrong document is refused."""
    assert parse(None, TARGETS, T0).all == parse([], TARGETS, T0).all == ()
    with pytest.raises(FaultError, match="want a list of rows"):
        parse({"kind": "noise"}, TARGETS, T0)


def test_every_kind_is_tested_here_and_labelled() -> None:
    """The kinds of the work are all there, each with a sentence."""
    assert set(KINDS) == {
        *("noise", "bias", "drift", "stuck", "dropout", "percent", "swapped"),
        *("dead_valve", "clogged", "burst"),
        *("wrong_clock", "reboot", "wifi_loss", "brown_out"),
    }
    assert all(kind.says for kind in KINDS.values())
    assert faults("burst").all[0].name == "burst plot-1a"
