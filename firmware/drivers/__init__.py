"""Drivers of probes, meters and valves. Each takes its pins or buses as arguments, and imports nothing of a board."""
