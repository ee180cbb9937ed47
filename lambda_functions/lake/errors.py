"""Errors of the aggregate, one for each cause; each text is one line that names the input and the remedy."""


class AggregateError(Exception):
    """Base of every error of the aggregate."""


class ConfigError(AggregateError):
    """The environment lacks a variable, or has a value that cannot be."""


class EventError(AggregateError):
    """The event is nothing that this function is invoked with."""


class StoreError(AggregateError):
    """S3 or Glue refused: no such bucket, no permission, no connection."""


class JournalError(AggregateError):
    """The journal cannot be understood, or is not that of this lake, so no run may guess what was processed."""


class LostRaceError(AggregateError):
    """Another run changed an object first. Never leaves the function: who loses looks again."""
