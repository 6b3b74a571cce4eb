r"""Names of series that nobody outside can forge.

What a client sends becomes the name of a series, then a line in a terminal, a label, the text of an alarm. So a value
loses what is not printable (control characters, escapes of terminals, line breaks, marks that turn the direction of
writing), is cut to a length, and can never be `__other__`, which is the name of what was left over.
"""

from __future__ import annotations

#: The name of what all series beyond the most of a metric come to.
OTHER = "__other__"
#: What a value that says so is called.
QUOTED_OTHER = f'"{OTHER}"'
#: Longer ones are cut; those with the same beginning are one series then, and the sum stays right.
MOST_CHARACTERS = 256


def shown(value: str) -> str:
    """Return a value from a log as it may name a series, or stand in a terminal or a message."""
    if len(value) > MOST_CHARACTERS:
        value = value[: MOST_CHARACTERS - 1] + "…"
    if not value.isprintable():
        value = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in value)
    return QUOTED_OTHER if value == OTHER else value
