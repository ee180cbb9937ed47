"""Where the compute service meets the world: SQLite, MQTT, files that people write, and the forecast."""
