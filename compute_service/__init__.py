"""Consumes the readings of a farm, decides which zone needs water, commands its gateway and settles on the ack."""
