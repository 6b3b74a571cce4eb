"""Fault rules: read strictly, thinned out by chance and count, and visible in the journal."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sim.signing import STS
from tests.sim.simulator import ControlRefusedError, RunningSimulator
from tests.sim.tea import call


def code_of(sim: RunningSimulator) -> str:
    """Return the error code of one call, or OK."""
    try:
        call(sim, STS, "GetCallerIdentity")
    except Exception as problem:  # noqa: BLE001 - the SDK's own classes differ by kind of trouble
        return str(getattr(problem, "code", None) or type(problem).__name__)
    return "OK"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("throttle", "Throttling.User"),
        ({"kind": "throttle", "code": "Throttling.Api"}, "Throttling.Api"),
        ("5xx", "InternalError"),
        ({"kind": "5xx", "status": 503}, "ServiceUnavailable"),
        ({"kind": "error", "status": 403, "code": "Forbidden.RAM", "message": "no"}, "Forbidden.RAM"),
        ("effect-then-5xx", "InternalError"),
        ({"throttle": {"code": "Throttling"}}, "Throttling"),
    ],
)
def test_a_fault_answers_in_the_words_of_the_service(sim: RunningSimulator, fault: object, code: str) -> None:
    """The SDK sees the documented error, and the journal names the fault."""
    sim.control("PUT", "faults", [{"match": {"action": "GetCallerIdentity"}, "fault": fault}])
    assert code_of(sim) == code
    (entry,) = sim.journal(action="GetCallerIdentity")
    assert entry["fault"] in {"throttle", "5xx", "error", "effect-then-5xx"}


@pytest.mark.parametrize("fault", ["reset", "truncated-body", {"kind": "effect-then-timeout", "hold_seconds": 0.2}])
def test_a_broken_answer_is_a_network_error_for_the_sdk(sim: RunningSimulator, fault: object) -> None:
    """The connection breaks; the next call works."""
    sim.control("PUT", "faults", {"rules": [{"when": {"times": 1}, "fault": fault}]})
    assert code_of(sim) != "OK"
    assert code_of(sim) == "OK"


def test_every_nth_call_fails_at_most_so_often(sim: RunningSimulator) -> None:
    """`every` counts matching calls, `times` counts faults; both can be read back."""
    sim.control("PUT", "faults", [{"service": "sts", "every": 3, "times": 2, "fault": "throttle"}])
    codes = [code_of(sim) for _ in range(10)]
    assert [n for n, code in enumerate(codes, 1) if code != "OK"] == [3, 6]
    (rule,) = sim.control("GET", "faults")["rules"]
    assert rule["fired"] == 2


def test_a_probable_fault_repeats_with_the_seed(sim: RunningSimulator) -> None:
    """Same seed, same calls: the same calls fail."""
    runs = []
    for _ in range(2):
        sim.control("POST", "reset", {"seed": 5})
        sim.control("PUT", "faults", [{"probability": 0.4, "fault": "5xx"}])
        runs.append([code_of(sim) for _ in range(12)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 2


def test_a_window_is_virtual_time(stepped: RunningSimulator) -> None:
    """A fault in force from a later instant begins when the clock gets there."""
    later = stepped.control("GET", "clock")["now_ms"] + 60_000
    after = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(later / 1000))
    stepped.control("PUT", "faults", [{"when": {"after": after}, "fault": "5xx"}])
    assert code_of(stepped) == "OK"
    stepped.advance(61)
    assert code_of(stepped) == "InternalError"


def test_latency_is_virtual_time(stepped: RunningSimulator) -> None:
    """A delayed answer comes when the clock is moved, not when real time passes."""
    stepped.control("PUT", "faults", [{"fault": {"kind": "latency", "latency": {"mean": 30}}}])
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(code_of, stepped)
        while not stepped.control("GET", "clock")["timers"]:
            assert not call.done()
        stepped.advance(29)
        assert not call.done()
        stepped.advance(2)
        assert call.result(timeout=10) == "OK"


@pytest.mark.parametrize(
    ("short", "latency"),
    [
        ({"latency": 2.5}, {"distribution": "fixed", "mean": 2.5, "spread": 0.0}),
        ({"latency": {"mean": 3}}, {"distribution": "fixed", "mean": 3.0, "spread": 0.0}),
        ({"latency": {"latency": {"mean": 4}}}, {"distribution": "fixed", "mean": 4.0, "spread": 0.0}),
        ({"latency": None}, {"distribution": "fixed", "mean": 1.0, "spread": 0.0}),
    ],
)
def test_a_latency_has_short_forms(sim: RunningSimulator, short: object, latency: dict[str, object]) -> None:
    """Seconds alone, or the distribution alone; nothing that was written is passed over."""
    (rule,) = sim.control("PUT", "faults", [{"fault": short}])["rules"]
    assert rule["fault"]["latency"] == latency


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([{"fault": "meteor"}], "fault.kind"),
        ([{"fault": {"throttle": 3}}], "options of throttle"),
        ([{"fault": {"latency": [2]}}], "options of latency"),
        ([{"match": {"verb": "x"}, "fault": "5xx"}], "match.verb"),
        ([{"when": {"probability": 2}, "fault": "5xx"}], "when.probability"),
        ([{"probabillity": 1, "fault": "5xx"}], "probabillity"),
        ({"fault": "5xx"}, "list"),
    ],
)
def test_a_bad_rule_changes_nothing(sim: RunningSimulator, rules: object, reason: str) -> None:
    """The field is named, and the rules in force stay."""
    sim.control("PUT", "faults", [{"name": "kept", "fault": "throttle"}])
    with pytest.raises(ControlRefusedError, match=reason):
        sim.control("PUT", "faults", rules)
    assert [rule["name"] for rule in sim.control("GET", "faults")["rules"]] == ["kept"]


def test_what_get_shows_can_be_put_back(sim: RunningSimulator) -> None:
    """The full form is accepted as it is shown."""
    sim.control("PUT", "faults", [{"service": "ecs", "fault": {"kind": "stale_read", "age_seconds": 3}}])
    shown = sim.control("GET", "faults")
    assert sim.control("PUT", "faults", shown) == shown
