"""A farm in other people's systems: Home Assistant, Prometheus, Grafana, CloudWatch. Watering needs none of it."""
