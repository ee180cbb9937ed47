"""Which of the injected faults were noticed, by whom and when: the faults held against what the season left behind."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from demo.faults import senses_device as device
from demo.faults import senses_probe as probe
from demo.faults import senses_water as water
from demo.faults.evidence import Evidence, Fault, Notice

Sense = Callable[[Fault, Evidence], Iterator[Notice]]

# Where each kind of fault would show. A probe that is off by little passes for a soil that is a little drier or wetter,
# and one that drifts shows only in soil that was surely full and is again, weeks apart.
SENSES: Mapping[str, tuple[Sense, ...]] = {
    "noise": (probe.bad_value, probe.doubted, probe.scattered),
    "bias": (probe.bad_value, probe.doubted, probe.stepped),
    "drift": (probe.bad_value, probe.doubted),
    "stuck": (probe.bad_value, probe.doubted, water.not_seen, probe.same),
    "dropout": (probe.doubted, probe.missing),
    "percent": (probe.bad_value, probe.doubted, probe.quarantined, probe.missing),
    "swapped": (probe.bad_value, probe.doubted, probe.stepped),
    "dead_valve": (water.valve_fault, water.leak, water.unusual_flow, water.not_seen, water.dry_runs, water.soaked),
    "clogged": (water.unusual_flow, water.not_seen, water.dry_runs, water.other_flow),
    "burst": (water.cut_by_volume, water.unusual_flow, water.not_seen, water.other_flow),
    "wrong_clock": (
        device.rejected,
        device.from_the_future,
        device.unsure,
        device.stale,
        probe.quarantined,
        device.shifted,
    ),
    "reboot": (device.power_cut, device.last_will, device.new_boot),
    "wifi_loss": (device.last_will, device.stale, device.late),
    "brown_out": (device.power_cut, device.last_will, device.new_boot),
}
NEED_A_RUN = ("dead_valve", "clogged", "burst", "brown_out")


@dataclass(frozen=True)
class Verdict:
    """A fault and its traces, what somebody raised first, then the rest, each by time.

    `level` is `noticed` (raised by a part of the system), `recorded` (there for who looks) or `unnoticed`. `idle`: no
    valve opened that could have shown the fault.
    """

    fault: Fault
    notices: tuple[Notice, ...]
    idle: bool = False

    @property
    def level(self) -> str:
        if not self.notices:
            return "unnoticed"
        return "noticed" if self.notices[0].raised else "recorded"

    def delay_s(self, notice: Notice) -> float:
        """Seconds from the begin of the fault to a trace of it."""
        return max(0.0, notice.at - self.fault.begin)


def noticed(faults: Iterable[Fault], evidence: Evidence) -> list[Verdict]:
    """A verdict for every fault, in their order."""
    return [_verdict(fault, evidence) for fault in faults]


def _verdict(fault: Fault, evidence: Evidence) -> Verdict:
    notices = [notice for sense in SENSES.get(fault.kind, ()) for notice in sense(fault, evidence)]
    notices.sort(key=lambda notice: (not notice.raised, notice.at))
    idle = fault.kind in NEED_A_RUN and not water.had_a_run(fault, evidence)
    return Verdict(fault, tuple(notices), idle)
