"""The readers of the fuzz room, and how many documents each gets: in every run of the tests, and in the soak."""

from typing import NamedTuple

from tests.fuzz import files, forecasts, message_texts, packets
from tests.fuzz.room import Reader


class Row(NamedTuple):
    """A reader, and its numbers of documents."""

    reader: Reader
    push: int
    soak: int


MILLION = 10**6
TABLE = {
    "packets": Row(packets.READER, 5000, 10 * MILLION),
    "forecasts": Row(forecasts.READER, 8000, 10 * MILLION),
    "messages": Row(message_texts.READER, 8000, MILLION),  # by the service, a board and the lake
    "zones": Row(files.reader("zones", 1000, 0.88), 400, MILLION // 10),
    "settings": Row(files.reader("settings", 1000, 0.95), 1000, MILLION // 10),
    "loggers": Row(files.reader("loggers", 1000, 0.65), 200, MILLION // 10),
    "long loggers": Row(files.reader("long loggers", 1000, 0.65), 200, MILLION // 10),
    "maps": Row(files.reader("maps", 1000, 0.5), 300, MILLION // 10),
    "long maps": Row(files.reader("long maps", 1000, 0.6), 200, MILLION // 10),
    "scenarios": Row(files.reader("scenarios", 100, 0.0), 120, MILLION // 10),
    "weather": Row(files.reader("weather", 1000, 0.33), 400, MILLION // 10),
    "boards": Row(files.reader("boards", 1000, 0.78), 1000, MILLION // 10),
}
