"""Errors of the local cloud, one for each cause; each text is one line that names the input and the remedy."""


class LocalCloudError(Exception):
    """Base of every error of the local cloud."""


class ConfigError(LocalCloudError):
    """An option or the environment asks for something that cannot be."""


class PolicyError(LocalCloudError):
    """A policy document, or the template of one, cannot be understood; so nothing may rely on it."""


class RegistryError(LocalCloudError):
    """The AWS IoT API cannot be asked who may connect."""


class PacketError(LocalCloudError):
    """Bytes that are no MQTT 3.1.1 packet."""


class BrokerError(LocalCloudError):
    """The inner broker is not installed, or did not start."""


class GateError(LocalCloudError):
    """The gate cannot listen: port taken, or no server identity."""


class SpoolError(LocalCloudError):
    """A record cannot be written to the topic rule's spool."""


class DeliveryError(LocalCloudError):
    """An object cannot be put to S3; its spool file stays for the next attempt."""


class AwsError(LocalCloudError):
    """The AWS API cannot start here: port taken, or moto is not installed."""


class JobsError(LocalCloudError):
    """Jobs and streams cannot be served: the folder of updates is of no use, or another service has it."""
