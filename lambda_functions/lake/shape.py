"""The usual shape of a raw line, as text: one regular expression, without look-around, so that any engine can run it.

What it lets pass, a lenient JSON reader cannot misread: numbers are numbers and fit, no escapes, no unknown fields.
"""

from protocol import messages


def _object_of(entries: list[str]) -> str:
    entry = f"(?:{'|'.join(entries)})"
    return rf"\{{{entry}(?:, ?{entry})*\}}"


_INT = r"(?:0|[1-9][0-9]{0,14})"
_NUMBER = rf"-?{_INT}(?:\.[0-9]{{1,30}})?(?:[eE][+-]?[0-9]{{1,2}})?"
_WORD = "[A-Za-z0-9_-]{1,64}"
_SAMPLE = _object_of(
    [
        rf'"(?:seq|measured_at)": ?{_INT}',
        rf'"clock": ?"(?:{"|".join(messages.CLOCKS)})"',
        rf'"(?:{"|".join(messages.QUANTITIES)})": ?(?:null|{_NUMBER})',
    ]
)
_LINE_TEXT = _object_of(
    [
        rf'"v": ?{messages.VERSION}',
        rf'"(?:gateway_id|boot_id|client_id)": ?"{_WORD}"',
        rf'"sensor_id": ?"{_WORD}\.{_WORD}"',
        rf'"zone_id": ?(?:null|"{_WORD}")',
        rf'"received_at": ?{_INT}',
        rf'"samples": ?\[{_SAMPLE}(?:, ?{_SAMPLE})*\]',
    ]
)

USUAL = f"^{_LINE_TEXT}$"
