"""Errors of the integrations, one for each cause; each text says what is wrong and what to do about it."""


class IntegrationsError(Exception):
    """Base of every error that a person who connects a farm to another system can cause and cure."""


class TokenError(IntegrationsError):
    """The token is none, was revoked, or may not order anything."""


class SetError(IntegrationsError):
    """A message on a set topic that orders nothing; the sentence says why."""


class NotesError(IntegrationsError):
    """The file in which the bridge remembers minutes and its place in the journal cannot be used."""


class AddressError(IntegrationsError):
    """Nothing can be served or reached at this address."""
