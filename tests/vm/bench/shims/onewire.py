"""Simulated for the bench, never upload it to a board: a one-wire bus."""


class OneWireError(Exception):
    pass


class OneWire:
    def __init__(self, pin):
        self.pin = pin
