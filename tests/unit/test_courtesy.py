"""What hurries and what is new goes first; what is under way stands back for a moment, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from cloudheal.pipeline.courtesy import GIVES_WAY, Courtesy, Orderly, OvertakenError
from cloudheal.ports.hurry import hurrying, is_hurrying, unhurried

LONG, SHORT = 60.0, 0.01


class Plain:
    """Steps without an engine, which keep the order in which they were done."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        """Do it."""
        result = do()
        self.done.append(name)
        return result


def begun(steps: Plain, courtesy: Courtesy) -> Orderly:
    """Return the steps of a look that does not hurry and has done its first one."""
    orderly = Orderly(Plain(), courtesy, hurries=False)
    orderly.step("look", lambda: None)
    orderly.steps = steps
    return orderly


def in_a_thread(orderly: Orderly, name: str) -> threading.Thread:
    """Do a step in a thread of its own."""
    thread = threading.Thread(target=orderly.step, args=(name, lambda: None), daemon=True)
    thread.start()
    return thread


def test_a_step_stands_back_until_what_is_new_is_committed() -> None:
    """It is done after the last of those that go first, and not before."""
    courtesy, steps = Courtesy(LONG), Plain()
    patient = begun(steps, courtesy)
    with courtesy.first():
        with courtesy.first():
            waits = in_a_thread(patient, "patient")
        steps.done.append("committed")
        assert waits.is_alive()
    waits.join(LONG)
    assert steps.done == ["committed", "patient"]


def test_a_look_begins_while_messages_are_committed_and_after_what_is_urgent() -> None:
    """Its first step is what the newest message is waiting for; only what is urgent goes before it."""
    courtesy, steps = Courtesy(LONG, beginning=0), Plain()
    with courtesy.first():
        in_a_thread(Orderly(steps, courtesy, hurries=False), "look").join(LONG)
        assert steps.done == ["look"]
    with courtesy.urgent():
        waits = in_a_thread(Orderly(steps, courtesy, hurries=False), "another")
        steps.done.append("urgent")
        assert waits.is_alive()
    waits.join(LONG)
    assert steps.done == ["look", "urgent", "another"]


def test_what_hurries_stands_back_for_nobody() -> None:
    """A step of an interruption is done while messages are committed, and others stand back for it meanwhile."""
    courtesy, steps = Courtesy(LONG), Plain()
    patient = begun(steps, courtesy)
    waits: list[threading.Thread] = []
    with courtesy.first():
        Orderly(steps, courtesy, hurries=True).step("urgent", lambda: waits.append(in_a_thread(patient, "patient")))
        assert steps.done == ["urgent"]
    waits[0].join(LONG)
    assert steps.done == ["urgent", "patient"]


def test_what_has_begun_lets_others_begin() -> None:
    """The first step of a run that hurries waits for nothing, its later ones for an urgent message and what follows."""

    class Asked(Courtesy):
        ways = 0

        def give_way(self) -> bool:
            self.ways += 1
            return super().give_way()

    courtesy, steps = Asked(longest=0), Plain()
    orderly = Orderly(steps, courtesy, hurries=True)
    with courtesy.urgent():
        orderly.step("first", lambda: None)
        assert courtesy.ways == 0
        orderly.step("second", lambda: None)
    assert (courtesy.ways, steps.done) == (1, ["first", "second"])


def test_a_moment_has_an_end() -> None:
    """However long the others take, a step that stood back is done."""
    courtesy, steps = Courtesy(SHORT), Plain()
    with courtesy.first():
        assert not courtesy.stand_back()
        assert begun(steps, courtesy).step("patient", lambda: 7) == 7
    assert courtesy.stand_back()


def test_an_error_lets_the_others_go_on() -> None:
    """Whoever goes first and fails does not go first any longer."""
    courtesy = Courtesy(LONG)
    with pytest.raises(ZeroDivisionError):
        Orderly(Plain(), courtesy, hurries=True).step("urgent", lambda: 1 // 0)
    assert courtesy.stand_back()


def test_what_is_urgent_goes_before_everyone_until_it_has_begun() -> None:
    """Steps and commits wait for it, and for a moment after it, in which its run makes its first call."""
    now = [0.0]
    courtesy = Courtesy(longest=0, beginning=0.1, monotonic=lambda: now[0])
    courtesy.check()
    with courtesy.urgent():
        assert not courtesy.stand_back()
        assert not courtesy.give_way()
        with pytest.raises(OvertakenError):
            courtesy.check()
    with pytest.raises(OvertakenError):
        courtesy.check()
    assert not courtesy.give_way()
    now[0] = 0.1
    courtesy.check()
    assert courtesy.give_way()
    assert courtesy.stand_back()


def test_commits_do_not_stand_back_for_each_other() -> None:
    """What is new goes before steps, and waits for nothing but what is urgent."""
    courtesy = Courtesy(longest=0)
    with courtesy.first():
        assert not courtesy.stand_back()
        assert courtesy.give_way()


def test_what_was_overtaken_is_done_again() -> None:
    """It is asked on the way, undone when something urgent came, and done after it; what hurries is never undone."""
    undone: list[None] = []
    courtesy = Courtesy(longest=0, beginning=0, overtaken=lambda: undone.append(None))
    tries: list[int] = []

    def do(check: Callable[[], None]) -> int:
        tries.append(len(tries))
        if len(tries) == 1:
            with courtesy.urgent():
                check()
        return len(tries)

    assert courtesy.politely(do) == 2
    assert len(undone) == 1
    with courtesy.urgent():
        with hurrying():
            assert courtesy.politely(lambda check: check()) is None
            with unhurried():
                assert not is_hurrying()
            assert is_hurrying()
        assert len(undone) == 1
        assert courtesy.politely(lambda check: check()) is None
    assert len(undone) == 1 + GIVES_WAY
