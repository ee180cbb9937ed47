"""What travels over MQTT: topics, messages and their errors.

Written in the subset of Python that MicroPython runs, so that the board, the simulator, the compute service and the
Lambda share one definition. Types for CPython stand beside each module in a `.pyi` file.
"""
