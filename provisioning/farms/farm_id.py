"""A farm's id, as the whole house has it, or what is wrong with it."""

from protocol import farms


def wrong(text: object) -> str | None:
    """What is wrong with a farm id, or None."""
    try:
        farms.checked(text if isinstance(text, str) else "")
    except farms.FarmError as error:
        return str(error).partition(": ")[2]
    return None
