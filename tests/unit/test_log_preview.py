"""A preview is the same whoever counts, and lines that no log should have are the same to every engine."""

from __future__ import annotations

from collections import Counter

import pytest

from cloudheal.logs.counting import Engine, Reason
from cloudheal.logs.engines import fallback, pick
from cloudheal.logs.oracle import Oracle
from cloudheal.logs.preview import previewed
from tests.unit.log_cases import access, defined
from tests.unit.test_log_malformed import CORPUS, bytes_of

ENGINES = {one.name: one for one in (fallback(), pick())}
METRICS = """
urls: {field: url}
metrics:
  - {name: answers, where: [status >= 200, status <= 399], by: [url, status], measures: [count(), p99(request_time)],
     most: 3}
  - {name: spread, measures: ['distribution(request_time, 0.01, 0.05)', distinct(url)], minutes: 5}
"""


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_preview_is_the_same_with_every_engine(engine: Engine) -> None:
    """Fields, refused lines, groups, windows and figures."""
    definition = defined(METRICS)
    lines = [access(f"/{n % 7}x/{n}?q", 200 + 50 * (n % 5), n / 1000, at=n * 7) for n in range(98)]
    lines += [b"cut", access(seconds=0.5).replace(b"0.500", b"0,500")]
    seen = previewed(definition, lines, engine.counter(definition))
    assert seen == previewed(definition, lines, Oracle(definition))
    assert (seen.lines, seen.read) == (100, 98)
    assert [one.reason for one in seen.refused] == [Reason.SHAPE, Reason.NUMBER]
    assert max(window.series for window in seen.metrics[0].windows) == 4


def test_a_metric_of_several_windows_is_shown_in_each() -> None:
    """S4.2: `Tumblingwindows: "60,300"` are the sums of the same minutes."""
    definition = defined(
        "metrics: [{MetricName: m, Aggregates: [{Function: count, Alias: n}], Tumblingwindows: '60,300'}]"
    )
    seen = previewed(definition, [access(at=60 * minute) for minute in range(7)], Oracle(definition))
    assert [(one.minutes, [window.lines for window in one.windows]) for one in seen.metrics] == [
        (1, [1] * 7),
        (5, [5, 2]),
    ]


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("name", CORPUS["formats"])
def test_every_engine_refuses_what_the_corpus_says(name: str, engine: Engine) -> None:
    """As many lines for each reason, all of them in one block."""
    log, cases = CORPUS["formats"][name], [case for case in CORPUS["lines"] if case["format"] == name]
    fields = defined("metrics: [{name: m, measures: [count()]}]", **log).format.fields
    asked = [f"max({one.name})" for one in fields if one.kind == "number"]
    definition = defined("{}", metrics=[{"name": "m", "measures": ["count() as n", *asked]}], **log)
    fed = engine.counter(definition).feed(b"".join(bytes_of(case) + b"\n" for case in cases))
    assert fed.reasons == Counter(Reason[case["reason"]] for case in cases if "reason" in case)
    assert fed.counted == sum("reason" not in case for case in cases)
