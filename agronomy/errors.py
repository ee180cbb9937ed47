"""The base of this room's errors; each stands beside what it is about, and says what is wrong and what it should be."""


class AgronomyError(Exception):
    """Base of every error of this room."""
