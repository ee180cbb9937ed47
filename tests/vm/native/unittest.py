"""What the portable tests need of `unittest`, for a MicroPython that has none: DO NOT UPLOAD to a board."""


class TestCase:
    """Assertions as CPython's have them."""

    def assertEqual(self, first, second, msg=None):
        assert first == second, msg or f"{first!r} != {second!r}"

    def assertTrue(self, expression, msg=None):
        assert expression, msg or f"{expression!r} is not true"

    def assertFalse(self, expression, msg=None):
        assert not expression, msg or f"{expression!r} is not false"

    def assertIn(self, member, container, msg=None):
        assert member in container, msg or f"{member!r} not in {container!r}"

    def assertRaises(self, expected, call=None, *arguments):
        raised = _Raises(expected)
        if call is None:
            return raised
        with raised:
            call(*arguments)
        return None

    def fail(self, msg=None):
        raise AssertionError(msg)


class _Raises:
    def __init__(self, expected):
        self.expected = expected
        self.exception = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _trace):
        assert kind is not None, f"{self.expected} was not raised"
        self.exception = error
        return issubclass(kind, self.expected)
