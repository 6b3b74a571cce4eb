"""So many servers, so many times: when an expectation is met, since when, and what is told when it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cloudheal.drills.ground import Ground
from cloudheal.drills.looks import Judged, Looks, Mark, entry_of, judged
from cloudheal.drills.preflight import targets_of
from cloudheal.drills.scenario import CallTaken, Expectation, Targets
from cloudheal.drills.tape import Fact

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)


def fact(server: str, second: int, text: str = "act", *, fits: bool = True) -> Fact:
    """Return a fact."""
    return Fact(server, NOON + timedelta(seconds=second), text, fits)


FACTS = [fact("a", 1), fact("a", 5), fact("b", 3), fact("c", 2, "shadow", fits=False)]


@pytest.mark.parametrize(
    ("servers", "needed", "times", "second"),
    [
        (["a", "b"], None, 1, 3),  # the last of them counts
        (["a", "b", "c"], 2, 1, 3),
        (["a", "b", "c"], 1, 1, 1),  # the first one is enough
        (["a", "b", "c"], 1, 2, 5),  # and must have it twice
    ],
)
def test_it_is_met_when_as_many_as_asked_for_have_it(
    servers: list[str], needed: int | None, times: int, second: int
) -> None:
    """The moment is that of the last fact that was needed."""
    found = judged(FACTS, servers, needed, times)
    assert found.met
    assert found.at == NOON + timedelta(seconds=second)
    assert found.missing == ()


@pytest.mark.parametrize(
    ("needed", "times", "missing", "seen"),
    [
        (None, 1, ("c",), ("shadow",)),
        (None, 2, ("b", "c"), ("shadow", "act")),
        (2, 2, ("b", "c"), ("shadow", "act")),
    ],
)
def test_what_is_missing_is_named_with_what_there_was_instead(
    needed: int | None, times: int, missing: tuple[str, ...], seen: tuple[str, ...]
) -> None:
    """Newest first, each once."""
    assert judged(FACTS, ["a", "b", "c"], needed, times) == Judged(False, None, seen, missing)


def test_a_cloud_that_does_not_answer_is_shown() -> None:
    """What belongs to no server is told too, when nothing else is."""
    silent = Fact("", NOON, "the cloud does not answer: Throttling", fits=False)
    assert judged([silent], ["a"], None, 1).seen == ("the cloud does not answer: Throttling",)


def test_a_call_about_another_server_whose_id_begins_alike_is_none_about_this_one(ground: Ground) -> None:
    """Ids are compared whole: i-bp1web0 was not rebooted when i-bp1web01 was."""
    (server,) = (one.id for one in targets_of(ground, Targets(ids=["i-bp1web01"])))
    other = replace(server, id="i-bp1web0")
    since = Mark(0, entry_of(ground), ground.clock.now())
    ground.compute_of(server).reboot(server.region, server.id, 10)
    found = Looks(ground, [other, server], ()).judge(Expectation(call=CallTaken(action="RebootInstance")), since)
    assert (found.met, found.missing) == (False, ("i-bp1web0",))
