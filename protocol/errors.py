"""Errors of the protocol, one for each cause."""


class ProtocolError(Exception):
    """Base of every error that a topic or a message can raise."""


class TopicError(ProtocolError):
    """The topic is none of PythoFlow's, or an identifier in it has a character that is not allowed."""

    def __init__(self, topic, why):
        super().__init__("topic %r: %s" % (topic, why))
        self.topic = topic


class MessageError(ProtocolError):
    """The payload is not a valid message; `field` names the entry, as `samples[2].vwc`, and `why` the mistake."""

    def __init__(self, kind, field, why):
        super().__init__("%s, %s: %s" % (kind, field or "payload", why))
        self.kind = kind
        self.field = field
        self.why = why


class VersionError(MessageError):
    """The message has a version that this code does not know."""


class IdentityError(MessageError):
    """The message speaks for a device that its topic, which the broker checks, does not belong to."""
