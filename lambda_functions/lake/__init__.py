"""How the lake is read and written: settings, raw objects, tables, journal, day files, catalogue, commit.

A package of its own, so that its relative imports hold in the repository and at the root of a Lambda image.
"""

import os

# Polars' allocator, which reads this when it is loaded, otherwise keeps freed memory for 10 s, in many arenas.
os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:2,dirty_decay_ms:300,muzzy_decay_ms:0")
