"""The error that whoever uses this room can catch."""


class ProvisioningError(Exception):
    """Base of every error of provisioning."""
