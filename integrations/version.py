"""Which release of PythoFlow this is."""

import importlib.metadata


def version() -> str:
    """The installed release; 0 where the files stand alone."""
    try:
        return importlib.metadata.version("pythoflow")
    except importlib.metadata.PackageNotFoundError:
        return "0"
