"""Errors of field time, one for each cause; each text is one line that names the participant."""


class FieldTimeError(Exception):
    """Base of every error of this room."""


class FieldClockError(FieldTimeError):
    """Field time cannot go on: a participant never comes to rest, or broke down."""


class LostError(FieldClockError):
    """A participant is gone in the middle of a question."""
