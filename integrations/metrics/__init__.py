"""A farm's metrics for Prometheus, from the service's store: counters survive every restart, since they are read."""

from integrations.metrics.collector import CONTENT_TYPE, FarmCollector, text

__all__ = ["CONTENT_TYPE", "FarmCollector", "text"]
