"""Fleets of virtual gateways: the firmware's own `gateway` package on simulated fields under real weather."""
