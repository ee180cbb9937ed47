"""For the tests in the VM, which has no `errno`: DO NOT UPLOAD to a board. Its numbers are the ESP32's."""

EAGAIN, ETIMEDOUT = 11, 116
