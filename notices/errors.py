"""Errors of the notices, one for each cause; each says what is wrong and what to do about it."""


class NoticesError(Exception):
    """Base of every error of this room."""


class SettingsError(NoticesError):
    """The settings cannot be used; the sentence says where, and what they should be."""


class UnknownEventError(NoticesError):
    """The table has no such event."""


class SendError(NoticesError):
    """A channel did not take a message; it is tried again."""


class OutboxError(NoticesError):
    """The outbox cannot be opened, read or written."""
