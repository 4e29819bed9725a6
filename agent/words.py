"""Words of others, such as an API server's message, before they are logged or reach a claim."""

from __future__ import annotations

import unicodedata

__all__ = ["one_line"]


def one_line(text: str, most: int) -> str:
    """Return the words as one line of characters that show what they are.

    Control characters, those that turn the direction of writing or show nothing, and halves of a
    character are left out; whatever separates words or lines is a space.

    Args:
        text: of somebody else.
        most: characters that are kept; what is longer ends in `...`.
    """
    # Whoever writes it decides how long it is.
    seen = "".join(map(_shown, text[: 4 * most]))
    line = " ".join(seen.split())
    cut = len(text) > 4 * most or len(line) > most
    return f"{line[: most - 3].rstrip()}..." if cut else line


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if character.isspace() or category[0] == "Z":
        return " "
    return "" if category[0] == "C" else character
