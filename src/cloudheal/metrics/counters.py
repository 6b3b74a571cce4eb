"""Counters of one process, and the text form in which Prometheus collects them.

A metric is declared with its help text before it is counted, so that a misspelt name is an error and not a new metric.
Label values are escaped; they are chosen by the settings or by us, never by a stranger, so their number is bounded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

#: Counters by name, with what they count.
COUNTERS: Mapping[str, str] = {
    "cloudheal_events_total": "Events taken in, by channel and by what became of them.",
    "cloudheal_webhook_requests_total": "Requests to /ingest, by source and answer.",
}


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number as it is when asked for."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str]


class Counters:
    """Counts in memory; shared between threads."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[tuple[tuple[str, str], ...], float]] = {name: {} for name in COUNTERS}
        self._guard = threading.Lock()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter. Raises KeyError for one that is not declared."""
        key = tuple(sorted(labels.items()))
        with self._guard:
            series = self._counts[name]
            series[key] = series.get(key, 0) + amount

    def exposition(self, gauges: Iterable[Gauge] = ()) -> str:
        """Write every counter, and gauges measured just now, in the text format 0.0.4."""
        with self._guard:
            lines = [line for name, series in self._counts.items() for line in _counter(name, series)]
        seen: set[str] = set()
        for gauge in gauges:
            if gauge.name not in seen:
                lines += [f"# HELP {gauge.name} {gauge.help}", f"# TYPE {gauge.name} gauge"]
                seen.add(gauge.name)
            lines.append(_sample(gauge.name, tuple(sorted(gauge.labels.items())), gauge.value))
        return "\n".join(lines) + "\n"


def _counter(name: str, series: Mapping[tuple[tuple[str, str], ...], float]) -> Iterator[str]:
    yield f"# HELP {name} {COUNTERS[name]}"
    yield f"# TYPE {name} counter"
    yield from (_sample(name, labels, value) for labels, value in sorted(series.items()))


def _sample(name: str, labels: tuple[tuple[str, str], ...], value: float) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    number = str(int(value)) if value == int(value) else repr(value)
    return f"{name}{{{inside}}} {number}" if inside else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
