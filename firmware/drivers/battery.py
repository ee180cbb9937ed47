"""Supply voltage through a divider on an analogue pin."""

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from machine import ADC


class Battery:
    """`ratio` is that of the divider: 2.0 for two equal resistors."""

    def __init__(self, adc: "ADC", ratio: float) -> None:
        self._adc = adc
        self._ratio = ratio

    async def measure(self) -> "dict[str, float | None]":
        """`battery_v`."""
        return {"battery_v": round(self._adc.read_uv() * self._ratio / 1e6, 2)}
