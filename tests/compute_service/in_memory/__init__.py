"""A store without a file, see `store`."""
