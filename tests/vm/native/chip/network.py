"""A Wi-Fi that is always there, as the network of this machine is: DO NOT UPLOAD to a board."""

STA_IF = 0


class WLAN:
    """Joined at once."""

    def __init__(self, _interface):
        pass

    def active(self, _on):
        return True

    def isconnected(self):
        return True

    def status(self, _what):
        return -61

    def ifconfig(self):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")
