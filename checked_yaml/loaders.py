"""From the bytes of a file to its nodes, by libyaml where that reads as the library itself does.

The library's own scanner takes five times as long, and says better what is wrong: so it reads whatever the other one
refuses, and texts with one of the few marks of which the two think otherwise.
"""

import re
from contextlib import suppress
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

# An unknown tag, a loop, a key that is a list; and what the library itself trips over: `!!timestamp x`, `!!int ""`.
TROUBLE = (yaml.YAMLError, RecursionError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError)
MOST_DEPTH = 40  # brackets, dashes or indentation in each other: the library's time grows with the square
READ_OTHERWISE = re.compile("[\t!?\ufeff]|[|>]#")  # of these libyaml takes more, or counts columns otherwise


def compose(content: bytes) -> yaml.Node | None:
    """The root node, None if there is none. Raises one of TROUBLE."""
    if yaml.__with_libyaml__:
        with suppress(*TROUBLE):
            text = content.decode()
            if not READ_OTHERWISE.search(text):
                return yaml.compose(text, Loader=_FastLoader)  # type: ignore[arg-type] # it composes, and that is all
    return yaml.compose(content, Loader=_Loader)


class _Composer(Composer):
    """Makes nodes of events, to a bounded depth."""

    _depth = 0
    peek_event: Any  # the parser's

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A node of the document, with all in it."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem=f"more than {MOST_DEPTH} deep", problem_mark=mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        """A text that is one: half a character, which `"\\ud800"` makes, cannot be stored or told anywhere."""
        node = super().compose_scalar_node(anchor)
        try:
            node.value.encode()
        except UnicodeEncodeError as error:
            problem = "half a character stands in it; write it anew"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error
        return node


class _Loader(_Composer, yaml.SafeLoader):
    """Reads nodes, and says what is wrong."""

    def fetch_flow_collection_start(self, token_class: Any) -> None:
        """A bracket or a brace: the scanner looks ahead, so this comes long before its node."""
        if self.flow_level >= MOST_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"more than {MOST_DEPTH} deep", problem_mark=self.get_mark())
        super().fetch_flow_collection_start(token_class)


if yaml.__with_libyaml__:
    from yaml.cyaml import CParser  # type: ignore[attr-defined] # it is there

    class _FastLoader(_Composer, CParser, Resolver):
        """Reads the nodes of a text by libyaml, five times as fast; its marks get the text."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)
            Resolver.__init__(self)
            self._text = text

        def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
            """A node of the document, with all in it."""
            node = super().compose_node(parent, index)
            if node is not None and node.start_mark.buffer is None:
                mark = node.start_mark
                node.start_mark = yaml.Mark(mark.name, mark.index, mark.line, mark.column, self._text, mark.index)
            return node
