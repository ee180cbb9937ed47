"""Tells the compute service of the weather to come, by a file that is written again every six hours of field time."""

import json
import os
from pathlib import Path

from compute_service.adapters import forecast_source
from compute_service.domain.forecast import Forecast
from gateway_sim.forecast import ISSUED_EVERY_S, document
from gateway_sim.scenario import Scenario


class Forecaster:
    """Keeps a forecast file as new as a weather service would."""

    def __init__(self, scenario: Scenario, path: Path) -> None:
        self._scenario, self._path = scenario, path
        self._newest: Forecast | None = None
        self._issued_at = 0

    def newest(self, now: int) -> Forecast | None:
        """The newest forecast at `now` (Unix s), read from the file; past the season the last one, which grows old."""
        weather = self._scenario.weather
        at = now - (now - weather.start) % ISSUED_EVERY_S
        if at > self._issued_at and at < weather.end:
            self._write(at)
            self._newest, self._issued_at = forecast_source.load(str(self._path), now), at
        return self._newest

    def _write(self, at: int) -> None:
        farm = self._scenario.farm
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(document(self._scenario.weather, farm.place, at, farm.seed)))
        os.utime(new, (at, at))  # a file is as old as its last change, here in field time
        new.replace(self._path)
