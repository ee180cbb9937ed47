"""The page from which people see and steer a farm; it holds no MQTT identity, and watering goes on without it."""
