"""A farm in other people's systems: Home Assistant, Prometheus, Grafana, CloudWatch. None of them is needed to water."""
