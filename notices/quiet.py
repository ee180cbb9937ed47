"""Quiet hours of the people who are told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Quiet:
    """From `begin` to `end`, minutes after the wall clock's midnight; they may pass it. Equal: there are none."""

    begin: int = 0
    end: int = 0
    timezone: str = "UTC"

    def after(self, at: int) -> int:
        """The time itself, or the end of the quiet hours that it is in (Unix s)."""
        if self.begin == self.end:
            return at
        local = datetime.fromtimestamp(at, ZoneInfo(self.timezone))
        minute = local.hour * 60 + local.minute
        is_over_midnight = self.begin > self.end
        is_quiet = (minute >= self.begin or minute < self.end) if is_over_midnight else self.begin <= minute < self.end
        if not is_quiet:
            return at
        morning = local.replace(hour=0, minute=0, second=0, microsecond=0)
        if minute >= self.end:
            morning += timedelta(days=1)
        return int(morning.replace(hour=self.end // 60, minute=self.end % 60).timestamp())


NEVER = Quiet()
