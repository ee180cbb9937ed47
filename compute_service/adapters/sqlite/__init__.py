"""The store of a real service: one SQLite file, see `store`."""
