"""A farm in Home Assistant, by MQTT discovery on the farm's own broker. It holds no identity of the cloud's."""
