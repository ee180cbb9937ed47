"""The gateway's portable core: the same files run on the ESP32's MicroPython and, in the simulator, on CPython."""
