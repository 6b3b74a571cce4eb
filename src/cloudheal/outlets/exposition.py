"""Log series as Prometheus scrapes them: the text format 0.0.4, every series a gauge without a timestamp.

A value of a label is the only place where words of a log stand, and there the three characters that could end it are
escaped; control characters were taken out before. So no line of a log makes a line of this page.
"""

from __future__ import annotations

from collections.abc import Iterable

from cloudheal.outlets.sample import Sample

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def exposition(samples: Iterable[Sample]) -> str:
    """Return samples as a page, those of one name together."""
    named: dict[str, list[str]] = {}
    for one in samples:
        named.setdefault(one.name, []).append(_line(one))
    heads = (f"# HELP {name} A figure of a log, of its last whole window.\n# TYPE {name} gauge" for name in named)
    return "".join(f"{head}\n" + "\n".join(lines) + "\n" for head, lines in zip(heads, named.values(), strict=True))


def _line(one: Sample) -> str:
    labels = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in one.labels)
    return f"{one.name}{{{labels}}} {one.value!r}"
