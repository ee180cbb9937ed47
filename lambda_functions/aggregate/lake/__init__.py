"""How the lake is read and written: settings, raw objects, tables, checkpoint, catalogue, commit.

A package of its own, so that its relative imports hold in the repository and at the root of a Lambda image.
"""
