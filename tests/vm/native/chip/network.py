"""A Wi-Fi that is always there, as the network of this machine is; one of its own is told. DO NOT UPLOAD to a board."""

STA_IF, AP_IF = 0, 1
AUTH_WPA2_PSK = 3


class WLAN:
    """Joined at once."""

    def __init__(self, interface):
        self._is_own = interface == AP_IF

    def active(self, on):
        if self._is_own:
            print("access point", on)
        return True

    def config(self, **words):
        for name in sorted(words):
            print("access point", name, words[name])

    def isconnected(self):
        return True

    def status(self, _what):
        return -61

    def ifconfig(self):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")
