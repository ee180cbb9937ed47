"""Raw readings into the lake's tables."""
