"""Capacitive soil probe on an analogue pin: millivolts to m3/m3 by a line through the points of its calibration."""

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Sequence

    from machine import ADC

READS = 15  # the ESP32's converter is noisy: the median of so many
BEYOND_MV = 150  # a voltage further outside the calibration is a broken wire or a probe in the air


class SoilProbe:
    """`points` are (millivolts, m3/m3), at least the probe in dry soil and in soil at field capacity."""

    def __init__(self, adc: "ADC", points: "Sequence[Sequence[float]]") -> None:
        self._adc = adc
        self._points = sorted((float(mv), float(vwc)) for mv, vwc in points)

    async def measure(self) -> "dict[str, float | None]":
        """`vwc`; None outside the calibration."""
        millivolts = sorted(self._adc.read_uv() for _ in range(READS))[READS // 2] / 1000
        return {"vwc": self.vwc(millivolts)}

    def vwc(self, millivolts: float) -> "float | None":
        """Water content in m3/m3 of a voltage; None if no soil gives it."""
        points = self._points
        if not points[0][0] - BEYOND_MV <= millivolts <= points[-1][0] + BEYOND_MV:
            return None
        index = 1
        while index < len(points) - 1 and millivolts > points[index][0]:
            index += 1
        (low_mv, low), (high_mv, high) = points[index - 1], points[index]
        vwc = low + (high - low) * (millivolts - low_mv) / (high_mv - low_mv)
        return round(min(max(vwc, 0.0), 1.0), 4)
