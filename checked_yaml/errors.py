"""The error of a document that people wrote."""

from collections.abc import Sequence
from pathlib import Path


class CheckedYamlError(Exception):
    """A document cannot be used; `mistakes` has one line for each: file, line, place, value and remedy."""

    def __init__(self, path: Path, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.path = path
        self.mistakes = list(mistakes)
