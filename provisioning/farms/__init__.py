"""Farms that join: who they are, what their things are called, and where that is kept."""
