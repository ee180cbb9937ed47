from typing import Any

MOST_DEPTH: int
MOST_INT: int
MOST_FLOAT: float
MOST_DIGITS: int

def loads(data: bytes) -> Any: ...
def scan(data: bytes) -> None: ...
