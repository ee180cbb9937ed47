"""Errors of the gateway, one for each cause."""


class GatewayError(Exception):
    """Base of every error of this package."""


class ConfigError(GatewayError):
    """The configuration lacks an entry, or has a wrong one."""


class StorageError(GatewayError):
    """The store could not read or write: no space, worn flash, no such folder."""


class ValveError(GatewayError):
    """A board could not move a valve."""


class MqttError(GatewayError):
    """The connection to the broker failed; the client tries again."""


class MqttRefused(MqttError):
    """The broker refused CONNECT or SUBSCRIBE; `code` is its answer."""

    def __init__(self, what: str, code: int):
        super().__init__(f"broker refused {what}, code {code}")
        self.code = code


class MqttPacketError(MqttError):
    """The broker sent what MQTT 3.1.1 does not allow, or more than this client takes."""


class MqttSilence(MqttError):
    """The broker has not answered in time."""
