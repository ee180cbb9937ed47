"""What the journal says of a command, an ack and a decision; how long it says so, `retention` has."""

from typing import TYPE_CHECKING, Any

from compute_service.domain.decide import Decision
from compute_service.domain.ports import CommandRow, Moment
from compute_service.zone_models import Work

if TYPE_CHECKING:
    from protocol.messages import Ack, Command

KINDS = ("order", "hold", "release", "command", "ack", "status", "error", "unproven", "alarm", "settings")


def command(message: "Command") -> dict[str, Any]:
    """A command that is about to be published."""
    names = ("command_id", "action", "duration_s", "max_volume_l", "expires_at", "decision_id", "reason")
    return {name: message.get(name) for name in names}


def ack(message: "Ack", command: CommandRow) -> dict[str, Any]:
    """An answer of a gateway that changed something."""
    names = ("command_id", "state", "code", "duration_s", "volume_l", "volume_source", "end_reason", "at")
    return {name: message.get(name) for name in names} | _moves_no_valve(command)


def no_ack(command: CommandRow) -> dict[str, Any]:
    """That nobody told how a command ended."""
    action = command.message["action"]
    told_apart = {} if action == "open" else {"action": action}
    return {"command_id": command.command_id, "state": "expired", "code": "no_ack", **told_apart}


def _moves_no_valve(command: CommandRow) -> dict[str, str]:
    """What is no news of a run or of a stop is told apart."""
    action = command.message["action"]
    return {"action": action} if action in {"fallback", "clear"} else {}


def moment(work: Work) -> Moment:
    """A zone in plain numbers: the mean of its probes, the book of its roots, and the water since the last decision."""
    receipt = work.decision.receipt
    probes = [probe.vwc for probe in work.model.probes.values() if probe.heard_at and probe.vwc is not None]
    return Moment(
        zone_id=work.zone.zone_id,
        at=work.decision.at,
        vwc=_rounded(sum(probes) / len(probes), 4) if probes else None,
        depletion_mm=_rounded(receipt.get("depletion_mm")),
        due_mm=_rounded(receipt.get("due_mm")),
        sigma_mm=_rounded(receipt.get("sigma_mm")),
        litres=round(sum(work.inputs["water"].get("litres", ())), 1),
    )


def kept_back_by(decision: Decision) -> str:
    """The check that kept water back, or `none`."""
    if decision.intent:
        return "none"
    return next((check.name for check in decision.checks if not check.passed), "none")


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)
