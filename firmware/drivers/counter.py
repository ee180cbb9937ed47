"""What counts pulses: flow meters and rain gauges. Either with the chip's `machine.Counter`, or with `Counter` here."""

import time

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from typing import Any, Protocol

    from machine import Pin

    class Pulses(Protocol):
        """What counts."""

        def value(self) -> int: ...


class Counter:
    """Falling edges of a pin that are at least `quiet_ms` apart: contacts bounce. Counted in the pin's interrupt."""

    def __init__(self, pin: "Pin", falling: int, quiet_ms: int) -> None:
        self._count = 0
        self._quiet_ms = quiet_ms
        self._last_ms = time.ticks_add(time.ticks_ms(), -quiet_ms)
        pin.irq(handler=self._edge, trigger=falling)

    def value(self) -> int:
        """Edges so far."""
        return self._count

    def _edge(self, _pin: "Any") -> None:
        now_ms = time.ticks_ms()
        passed_ms = time.ticks_diff(now_ms, self._last_ms)
        # Less than 0: so long ago that the ticks have wrapped.
        if not 0 <= passed_ms < self._quiet_ms:
            self._last_ms = now_ms
            self._count += 1


class FlowMeter:
    """Litres by pulses. `flow_l_min` is the mean since the last measurement."""

    def __init__(self, pulses: "Pulses", pulses_per_litre: float) -> None:
        self._pulses = pulses
        self.per_litre = pulses_per_litre
        self._last = (pulses.value(), time.ticks_ms())

    def litres(self) -> float:
        """All litres since the start."""
        return self._pulses.value() / self.per_litre

    async def measure(self) -> "dict[str, float | None]":
        """`volume_l` since the start, and the mean `flow_l_min`."""
        (count, ticks), self._last = self._last, (self._pulses.value(), time.ticks_ms())
        passed_ms = time.ticks_diff(self._last[1], ticks)
        litres = (self._last[0] - count) / self.per_litre
        flow = round(litres * 60000 / passed_ms, 2) if passed_ms > 0 else None
        return {"volume_l": round(self.litres(), 2), "flow_l_min": flow}


class RainGauge:
    """A tipping bucket. What fell is told once: `taken` is called when a sample has it."""

    def __init__(self, pulses: "Pulses", mm_per_tip: float) -> None:
        self._pulses = pulses
        self._mm_per_tip = mm_per_tip
        self._base = 0
        self._last = 0

    async def measure(self) -> "dict[str, float | None]":
        """`rain_mm` since the sample before."""
        return self.fresh()

    def fresh(self) -> "dict[str, float | None]":
        """`rain_mm` that no sample has yet, as of this moment."""
        self._last = self._pulses.value()
        return {"rain_mm": round((self._last - self._base) * self._mm_per_tip, 3)}

    def taken(self) -> None:
        """A sample has what was shown last."""
        self._base = self._last
