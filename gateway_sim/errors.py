"""Errors of the simulator, one for each cause."""


class SimError(Exception):
    """Base of every error of this room."""


class WeatherError(SimError):
    """The weather file is missing, cannot be read as hourly weather, or does not cover the days asked for."""


class FarmError(SimError):
    """A farm of that shape cannot be built."""


class ScenarioError(SimError):
    """A scenario cannot be read, or says what cannot be; the text names file, line, value and remedy."""


class FaultError(SimError):
    """A fault that cannot be: the text names the row, what is wrong with it and what would be right."""


class HydraulicsError(SimError):
    """A pump, a zone or a defect that cannot be, or an edge before one that has already been."""


class IdentityMissingError(SimError):
    """A gateway has no certificate, key or CA on disk."""


class StateError(SimError):
    """A folder of state belongs to another farm or weather, or to a later time."""


class MapError(SimError):
    """A map file cannot be read, or says what no map can say; the text names file, key, value and remedy."""


class LoggerFileError(SimError):
    """A logger's file cannot be read with its map: missing, another encoding, columns that the map does not know."""


class ReplayError(SimError):
    """A replay cannot go on: no broker, or one that acknowledges nothing."""
