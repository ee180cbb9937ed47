"""Errors of the simulator, one for each cause."""


class SimError(Exception):
    """Base of every error of this room."""


class WeatherError(SimError):
    """The weather file is missing, cannot be read as hourly weather, or does not cover the days asked for."""


class FarmError(SimError):
    """A farm of that shape cannot be built."""


class IdentityMissingError(SimError):
    """A gateway has no certificate, key or CA on disk."""
