"""Crops, soil and water by FAO-56, and what probes tell of them: values in, values out, for whoever waters or asks."""
