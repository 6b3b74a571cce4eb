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
    "cloudheal_events_total": "Messages taken in, by channel and by what became of them.",
    "cloudheal_queue_messages_total": "Messages taken from a queue, by what became of them.",
    "cloudheal_queue_redelivered_total": "Messages that a queue gave out more than once.",
    "cloudheal_queue_extended_total": "Times that messages in hand were kept from others for longer.",
    "cloudheal_queue_errors_total": "Calls of a queue that failed, by why.",
    "cloudheal_commits_overtaken_total": "Commits that were undone, and done again, for urgent messages.",
    "cloudheal_decisions_total": "Decisions, by rule and reason.",
    "cloudheal_verdicts_total": "Incidents that ended, by playbook and verdict.",
    "cloudheal_looks_total": "Looks of runs that this worker began.",
    "cloudheal_steps_total": "Changing calls of playbooks that were concluded, by outcome.",
    "cloudheal_runs_taken_over_total": "Runs that this worker took over from dead ones.",
    "cloudheal_answers_total": "Questions to people that ended, by answer.",
    "cloudheal_cloud_calls_total": "Calls to the cloud, by account, action and how they ended.",
    "cloudheal_webhook_requests_total": "Requests to /ingest, by source and answer.",
    "cloudheal_log_lines_total": "Lines of logs that were read and committed, by log and by what became of them.",
    "cloudheal_outlet_sent_total": "Minutes or samples of logs that a receiver took, by outlet.",
    "cloudheal_outlet_refused_total": "Samples of logs that a receiver refused for good, by outlet.",
    "cloudheal_outlet_failures_total": "Times that a receiver of log series could not be served, by outlet.",
    "cloudheal_shipped_minutes_total": "Minutes of logs that agents shipped here, by log; `known` came again.",
    "cloudheal_chore_failures_total": "Failures of what a worker does again and again, by chore.",
}


#: Gauges by name, with what they show.
GAUGES: Mapping[str, str] = {
    "cloudheal_worker_alive": "1 while no other worker has declared this one dead.",
    "cloudheal_paused": "1 while everything is paused.",
    "cloudheal_incidents_open": "Incidents without a verdict.",
    "cloudheal_dead_letters": "Unreadable messages that were not replayed.",
    "cloudheal_runs": "Runs that have not ended, by state.",
    "cloudheal_poll_age_seconds": "Time since a poll ended.",
    "cloudheal_poll_incomplete": "1 while the last look of a poll broke off, so that it may have missed something.",
    "cloudheal_last_event_age_seconds": "Time since an event was taken in.",
    "cloudheal_queue_age_seconds": "How long the oldest message of a queue waits.",
    "cloudheal_queue_failures": "Calls of a queue that failed in a row; 0 while it answers.",
    "cloudheal_canary_seconds": "How long the last canary that came back was away.",
    "cloudheal_source_silent_seconds": "Time since an event of an account came.",
    "cloudheal_watch_bad": "1 while a watch is bad: canary.missing, queue.late, source.silent.",
    "cloudheal_listener_call_seconds": "How long a listener has been busy with one event; 0 while it is not.",
    "cloudheal_log_files": "Files of a log that are being read; 0 when none is there.",
    "cloudheal_log_behind_bytes": "Bytes of a log that were written and not read yet.",
    "cloudheal_log_alarm_firing": "Series of an alarm on a log that fire.",
    "cloudheal_disk_free_bytes": "Free space beside the SQLite file.",
}
#: Distributions by name, with what they measure and the upper bounds of their buckets.
HISTOGRAMS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "cloudheal_commit_seconds": (
        "Time of one commit of messages, decisions included.",
        (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30),
    ),
    "cloudheal_commit_messages": ("Messages in one commit.", (1, 4, 16, 64, 256, 1024)),
}


@dataclass(slots=True)
class _Spread:
    """What was observed of one series: how many up to each bound, how many in all, and their sum."""

    counts: list[int]
    number: int = 0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number as it is when asked for."""

    name: str
    value: float
    labels: Mapping[str, str]


class Counters:
    """Counts in memory; shared between threads."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[tuple[tuple[str, str], ...], float]] = {name: {} for name in COUNTERS}
        self._spreads: dict[str, dict[tuple[tuple[str, str], ...], _Spread]] = {name: {} for name in HISTOGRAMS}
        self._guard = threading.Lock()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter. Raises KeyError for one that is not declared."""
        key = tuple(sorted(labels.items()))
        with self._guard:
            series = self._counts[name]
            series[key] = series.get(key, 0) + amount

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add to a distribution. Raises KeyError for one that is not declared."""
        bounds = HISTOGRAMS[name][1]
        with self._guard:
            found = self._spreads[name].setdefault(tuple(sorted(labels.items())), _Spread([0] * len(bounds)))
            found.counts = [count + (value <= bound) for count, bound in zip(found.counts, bounds, strict=True)]
            found.number += 1
            found.total += value

    def exposition(self, gauges: Iterable[Gauge] = ()) -> str:
        """Write every counter, and gauges measured just now, in the text format 0.0.4."""
        with self._guard:
            lines = [line for name, series in self._counts.items() for line in _counter(name, series)]
            lines += [line for name, spreads in self._spreads.items() for line in _histogram(name, spreads)]
        seen: set[str] = set()
        for gauge in gauges:
            if gauge.name not in seen:
                lines += [f"# HELP {gauge.name} {GAUGES[gauge.name]}", f"# TYPE {gauge.name} gauge"]
                seen.add(gauge.name)
            lines.append(_sample(gauge.name, tuple(sorted(gauge.labels.items())), gauge.value))
        return "\n".join(lines) + "\n"


def _counter(name: str, series: Mapping[tuple[tuple[str, str], ...], float]) -> Iterator[str]:
    yield f"# HELP {name} {COUNTERS[name]}"
    yield f"# TYPE {name} counter"
    yield from (_sample(name, labels, value) for labels, value in sorted(series.items()))


def _histogram(name: str, spreads: Mapping[tuple[tuple[str, str], ...], _Spread]) -> Iterator[str]:
    help_, bounds = HISTOGRAMS[name]
    yield f"# HELP {name} {help_}"
    yield f"# TYPE {name} histogram"
    for labels, spread in sorted(spreads.items()):
        for bound, count in zip(bounds, spread.counts, strict=True):
            yield _sample(f"{name}_bucket", (*labels, ("le", f"{bound:g}")), count)
        yield _sample(f"{name}_bucket", (*labels, ("le", "+Inf")), spread.number)
        yield _sample(f"{name}_sum", labels, spread.total)
        yield _sample(f"{name}_count", labels, spread.number)


def _sample(name: str, labels: tuple[tuple[str, str], ...], value: float) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    number = str(int(value)) if value == int(value) else repr(value)
    return f"{name}{{{inside}}} {number}" if inside else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
