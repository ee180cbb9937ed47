"""The alarms as notices to people: a process of its own, beside the service, that may die without touching water."""
