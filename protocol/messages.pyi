from typing import Any

from protocol.topics import _Kind

Message = dict[str, Any]

VERSION: int
MAX_BYTES: int
READING_BYTES: int
MAX_RUN_S: int
EARLIEST: int
LATEST: int
QUANTITIES: dict[str, tuple[float, float]]
SETTINGS: dict[str, tuple[int, int]]
ACTIONS: tuple[str, ...]
CLOCKS: tuple[str, ...]
ACK_STATES: tuple[str, ...]
FINAL_STATES: tuple[str, ...]
ACK_CODES: tuple[str, ...]
VOLUME_SOURCES: tuple[str, ...]
END_REASONS: tuple[str, ...]
STATES: tuple[str, ...]
REQUIRED: bool
OPTIONAL: bool

def encode(kind: _Kind, message: Message) -> bytes: ...
def decode(topic: str, payload: bytes | bytearray | memoryview) -> tuple[_Kind, Message]: ...
def check(kind: _Kind, message: Message) -> None: ...
