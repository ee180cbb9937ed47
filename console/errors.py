"""Errors of the console; each says what is wrong and what to do about it."""


class ConsoleError(Exception):
    """Base of every error that a person who runs the console, or works with it, can cause and cure."""


class AccessError(ConsoleError):
    """An address that other machines reach, without users who could log in."""


class FormError(ConsoleError):
    """A form or a request has a value that cannot be; `key` and `places` are its sentence in the table of words."""

    def __init__(self, key: str, **places: str) -> None:
        super().__init__(f"{key}: {places}" if places else key)
        self.key, self.places = key, places


class NotHereError(FormError):
    """What was asked for is not there."""
