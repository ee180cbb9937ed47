"""Valve supervisors that each lack one mechanism: the explorer must catch every one of them."""

from collections.abc import Mapping
from typing import Any

from gateway.valves import Valves
from protocol.messages import MAX_RUN_S

Message = dict[str, Any]


def _without(state: Message, part: str) -> Message:
    return {**state, part: 0 if part == "fence" else {}}


class NoIdCheck(Valves):
    """Every open is a new one."""

    def _consider(self, command: Mapping[str, Any], now: int, trusted: bool, ticks_ms: int) -> None:
        known = {name: entry for name, entry in self._state["known"].items() if name != command["command_id"]}
        self._state = {**self._state, "known": known}
        super()._consider(command, now, trusted, ticks_ms)


class _Forgetful(Valves):
    forgets = ""

    def boot(self, now: int, trusted: bool = False) -> None:
        super().boot(now, trusted)
        self._state = _without(self._state, self.forgets)


class IdsForgottenAtBoot(_Forgetful):
    """Ids do not survive a reboot."""

    forgets = "known"


class EpochsForgottenAtBoot(_Forgetful):
    """Epochs do not survive a reboot."""

    forgets = "epochs"


class FenceForgottenAtBoot(_Forgetful):
    """The fence does not survive a reboot."""

    forgets = "fence"


class NothingWritten(Valves):
    """The state lives in memory."""

    def _commit(self, state: Message) -> bool:
        self._state = state
        return True


class _Lax(Valves):
    ignores = ""

    def _why_not(self, command: Mapping[str, Any], now: int, trusted: bool) -> str | None:
        code = super()._why_not(command, now, trusted)
        return None if code == self.ignores else code


class NoEpochCheck(_Lax):
    """An older open is as good as a newer one."""

    ignores = "stale_epoch"


class NoFence(_Lax):
    """stop_all closes, and no more."""

    ignores = "fenced"


class NoExpiryCheck(_Lax):
    """No open is too late."""

    ignores = "expired"


class AnyClockWillDo(_Lax):
    """A clock that is not trusted is good enough."""

    ignores = "clock_untrusted"


class CloseKeepsTheEpoch(Valves):
    """close shuts the valve, and lets older opens pass."""

    def _close(self, command: Mapping[str, Any], ticks_ms: int) -> None:
        super()._close({**command, "epoch": 0}, ticks_ms)


class NoDeadline(Valves):
    """Nobody is asked for a tick."""

    def next_deadline_ms(self) -> int | None:
        return None


class DeadlineByTheTimeOfDay(Valves):
    """A run ends when the time of day says so."""

    def _due(self, ticks_ms: int) -> list[tuple[str, str]]:
        runs = [(zone_id, run["saved"]) for zone_id, run in self._runs.items()]
        return [(zone_id, "duration") for zone_id, run in runs if self._at >= run["started_at"] + run["bound_s"]]


class NoClip(Valves):
    """The zone's own cap does not count."""

    def _run_of(self, command: Mapping[str, Any], now: int, ticks_ms: int, most_s: int) -> Message:
        zones, self._zones = (
            self._zones,
            {name: {**zone, "hard_cap_s": MAX_RUN_S} for name, zone in self._zones.items()},
        )
        run = super()._run_of(command, now, ticks_ms, most_s)
        self._zones = zones
        return run


class NoVolumeBound(Valves):
    """Litres do not count."""

    def _run_of(self, command: Mapping[str, Any], now: int, ticks_ms: int, most_s: int) -> Message:
        return super()._run_of({**command, "max_volume_l": None}, now, ticks_ms, most_s)


class BootClosesLast(Valves):
    """Boot reads and reports before it closes."""

    def boot(self, now: int, trusted: bool = False) -> None:
        self._slots.load()
        super().boot(now, trusted)


class BootClosesNothing(Valves):
    """Boot trusts the valves to be shut."""

    def boot(self, now: int, trusted: bool = False) -> None:
        zones, self._zones = self._zones, {}
        super().boot(now, trusted)
        self._zones = zones


class ResumesAfterBoot(Valves):
    """A run that the power cut goes on after the boot."""

    def _cut_off(self, run: Message, now: int, trusted: bool) -> Message:
        self._board.set_valve(run["zone_id"], True)
        return super()._cut_off(run, now, trusted)


class RejectionsAreForgotten(Valves):
    """What was rejected may come again."""

    def _reject(self, command: Mapping[str, Any], code: str, now: int, trusted: bool) -> None:
        state = self._state
        super()._reject(command, code, now, trusted)
        self._state = state


class ForgetsTheLoss(Valves):
    """That the flash was lost is known until the next reboot only."""

    def _commit(self, state: Message) -> bool:
        committed = super()._commit({**state, "must_fence": False})
        self._state = {**self._state, "must_fence": state["must_fence"]}
        return committed


class AcksWhatWasAsked(Valves):
    """The ack tells the bound instead of the run."""

    def _final(self, run: Message, ticks_ms: int, reason: str) -> Message:
        return {**super()._final(run, ticks_ms, reason), "duration_s": run["saved"]["bound_s"]}


BROKEN: dict[type[Valves], str] = {  # and the letters of the promises that it may break first
    NoIdCheck: "f",
    IdsForgottenAtBoot: "f",
    EpochsForgottenAtBoot: "cg",
    FenceForgottenAtBoot: "c",
    NothingWritten: "abcfg",
    NoEpochCheck: "cg",
    NoFence: "c",
    NoExpiryCheck: "e",
    AnyClockWillDo: "e",
    CloseKeepsTheEpoch: "c",
    NoDeadline: "b",
    DeadlineByTheTimeOfDay: "bh",
    NoClip: "bf",
    NoVolumeBound: "b",
    BootClosesLast: "d",
    BootClosesNothing: "d",
    ResumesAfterBoot: "a",
    RejectionsAreForgotten: "f",
    AcksWhatWasAsked: "f",
}
# Where the shortest counter-example is, of those that would have every other scenario walked through before.
FOUND_IN = {FenceForgottenAtBoot: "open, stop_all, open", RejectionsAreForgotten: "one open, the clock"}
