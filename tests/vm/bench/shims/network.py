"""Simulated for the bench, never upload it to a board: one Wi-Fi network, there or not as the world says."""

from utime import ticks_diff, ticks_ms

import _chip

STA_IF, AP_IF = 0, 1
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP, STAT_NO_AP_FOUND, STAT_BEACON_TIMEOUT = 1000, 1001, 1010, 201, 200
JOIN_MS = 1500


class WLAN:
    IF_STA, IF_AP = 0, 1

    def __init__(self, _interface=0):
        self._since = None

    def active(self, _on=None):
        return True

    def config(self, *_names, **_values):
        return None

    def connect(self, _ssid=None, _password=None):
        self._since = ticks_ms()

    def disconnect(self):
        self._since = None

    def isconnected(self):
        if not _chip.wifi() and self._since is not None:
            self._since = ticks_ms()  # once the network is back, joining takes its time again
        return self._since is not None and ticks_diff(ticks_ms(), self._since) >= JOIN_MS

    def status(self, what=None):
        if what == "rssi":
            return _chip.rssi()
        if self._since is None:
            return STAT_IDLE
        return STAT_GOT_IP if self.isconnected() else STAT_CONNECTING if _chip.wifi() else STAT_NO_AP_FOUND

    def ifconfig(self):
        return ("192.168.4.7", "255.255.255.0", "192.168.4.1", "192.168.4.1")
