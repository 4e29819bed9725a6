"""Words of others are one line that shows what it is."""

from __future__ import annotations

import pytest

from agent.words import one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("secrets is forbidden", "secrets is forbidden"),
        ("  two\r\n\tlines\u2028three\x85four ", "two lines three four"),
        ("\x1b[31mred\x1b[0m\x00\x07", "[31mred[0m"),
        ("\u202egnirts\u200b\ufeff\u2066", "gnirts"),
        ("half \ud800", "half"),
        ("größer, 大きい 🚀", "größer, 大きい 🚀"),
        ("x" * 20, "x" * 20),
        ("x" * 21, "x" * 17 + "..."),
        ("ten chars " * 3, "ten chars ten cha..."),
        ("\x00" * 1000 + "late", "..."),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text, 20) == line
