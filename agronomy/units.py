"""Lengths of time in seconds, and what people water without a service: one definition each."""

HOUR_S, DAY_S = 3600, 86400
CALENDAR_MM_A_WEEK = 25.0  # a fixed programme, which the service's water is held against
