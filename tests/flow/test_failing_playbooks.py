"""Playbooks that fail in ways that nobody foresaw: the run is parked or ends, it never goes round in circles."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast

import pytest
import sqlalchemy as sa
from pydantic import BaseModel

from cloudheal.extend import Case, End, Hands, Healed, Kind, Outcome, Playbook, Reason, Refusal
from cloudheal.model.decision import Station
from cloudheal.ports.store import is_away
from cloudheal.settings.discretion import learn
from cloudheal.settings.schema import Settings
from cloudheal.settings.secrets import MASK
from cloudheal.testing import FakeCloud, Scene, UndeclaredVerbError, assert_replays
from tests.usual import PROD, RULE

KEY = "fP6/yR2+wN8kD4sV9hJ3"
ACCOUNT = {"name": "prod", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"]}


class Nothing(BaseModel):
    """No parameters."""


def no_such_table() -> Mapping[str, Any]:
    """Ask a database for a table that is not there."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        return {"found": connection.exec_driver_sql("SELECT * FROM nowhere").all()}


def too_clever() -> Mapping[str, Any]:
    """Have a mistake."""
    nothing: dict[str, str] = {}
    return {"found": nothing["nowhere"]}


def leaves() -> Mapping[str, Any]:
    """End the process, or try to."""
    sys.exit("enough")


def forgets_to_answer(_case: Case, hands: Hands) -> End:
    """Look, and return nothing."""
    hands.read("look", dict)
    return cast("End", None)


def in_a_step(do: Callable[[], Mapping[str, Any]]) -> Callable[[Case, Hands], End]:
    """Return a playbook's body that does something in a step."""

    def run(_case: Case, hands: Hands) -> End:
        hands.read("look", dict)
        return End(Healed.HEALED, "told", dict(hands.read("clever", do).value))

    return run


def beside_steps(do: Callable[[], Mapping[str, Any]]) -> Callable[[Case, Hands], End]:
    """Return a playbook's body that does something outside of its hands."""

    def run(_case: Case, hands: Hands) -> End:
        hands.read("look", dict)
        return End(Healed.HEALED, "told", dict(do()))

    return run


def scene(run: Callable[[Case, Hands], End | Refusal]) -> Callable[[], Scene]:
    """Return a scene in which a playbook with this body meets a stop."""
    mine = Playbook("mine", ("stopped",), Nothing, ("servers",), reversible=True, run=run)

    def made() -> Scene:
        cloud = FakeCloud()
        web = cloud.server("i-web", tags=PROD)
        return Scene(cloud, rules=[RULE | {"playbook": "mine"}], playbooks=[mine], events=[cloud.power_off(web)])

    return made


@pytest.mark.parametrize("place", [in_a_step, beside_steps])
def test_a_statement_that_no_database_can_run_parks_the_run(
    place: Callable[[Callable[[], Mapping[str, Any]]], Callable[[Case, Hands], End]],
) -> None:
    """It is not an outage that passes: the run waits for a person, who is told once, and the look is not repeated."""
    made = scene(place(no_such_table))
    told = made().play()
    assert told.verdicts == {"i-web": ""}
    assert told.waits == {"i-web": "engine_failed"}
    assert told.notices.count("run.parked") == 1
    assert told.steps.count("look") == 1
    assert assert_replays(made) > 0


@pytest.mark.parametrize(
    ("run", "error"),
    [
        (in_a_step(too_clever), "KeyError"),
        (beside_steps(too_clever), "KeyError"),
        (beside_steps(leaves), "SystemExit"),
        (forgets_to_answer, "returned NoneType, neither End nor Refusal"),
    ],
    ids=["step", "beside", "exit", "nothing"],
)
def test_a_mistake_in_a_playbook_ends_its_incident_as_unknown(run: Callable[[Case, Hands], End], error: str) -> None:
    """The verdict names the error, at first and on every replay; nothing is retried blindly."""
    told = scene(run)().play()
    assert told.verdicts == {"i-web": "unknown"}
    assert {"code": "playbook_failed", "error": error}.items() <= told.evidence["i-web"].items()
    assert assert_replays(scene(run)) > 0


def starting(verbs: tuple[str, ...]) -> Callable[[], Scene]:
    """Return a scene in which a playbook starts a server that declares these verbs."""

    def run(case: Case, hands: Hands) -> End:
        started = hands.act(
            "start",
            {},
            lambda seconds: Outcome(Kind.OK, request_id=case.compute.start("cn-hangzhou", "i-web", seconds)),
            lambda _: True,
        )
        return End(Healed.HEALED if started.ok else Healed.NOT_HEALED, started.code or "started")

    mine = Playbook("mine", ("stopped",), Nothing, verbs, reversible=True, run=run)

    def made() -> Scene:
        cloud = FakeCloud()
        web = cloud.server("i-web", tags=PROD)
        return Scene(cloud, rules=[RULE | {"playbook": "mine"}], playbooks=[mine], events=[cloud.power_off(web)])

    return made


def test_a_playbook_that_asks_for_more_than_it_declares_fails_before_a_cloud_refuses_it() -> None:
    """The scene names the verb; the policy that is printed for the playbook would lack the right."""
    with pytest.raises(UndeclaredVerbError, match="mine asked the cloud for start and declares only reboot, servers"):
        starting(("servers", "reboot"))().play()
    assert starting(("servers", "start"))().play().verdicts == {"i-web": "healed"}


def test_a_playbook_that_declares_only_looks_may_not_act() -> None:
    """It has no place among those that change something, and is told so by a code of its own."""
    told = starting(("servers",))().play()
    assert (told.actions, told.evidence["i-web"]["code"]) == ((), "undeclared")


HALF = "web \ud83d"
MISTAKEN: Mapping[str, Any] = {
    "a number for a span": Refusal(Reason.UNDERWAY, after=cast("timedelta", 300)),
    "a word for a verdict": End(cast("Healed", "healed"), "running"),
    "half a character as evidence": End(Healed.HEALED, "running", {"name": HALF}),
    "half a character in a question": Refusal(Reason.UNKNOWN_STATE, question=f"is {HALF} well?"),
}


@pytest.mark.parametrize("said", MISTAKEN.values(), ids=MISTAKEN)
def test_an_answer_that_cannot_be_written_parks_the_run(said: End | Refusal) -> None:
    """It does not stay at work for as long as the worker lives: a person is told, once, and what is open is seen."""

    def run(_case: Case, hands: Hands) -> End | Refusal:
        hands.read("look", dict)
        return said

    told = scene(run)().play()
    assert told.verdicts == {"i-web": ""}
    assert told.waits == {"i-web": "engine_failed"}
    assert told.notices.count("run.parked") == 1
    assert told.steps.count("look") == 1


ASKED = (Station("signed?", None, f"with {KEY}"),)
FACTS: dict[str, Any] = {"error": f"not signed with {KEY}", "tries": 3, "each": [{"key": KEY}]}
SHOWN = {"code": f"bad.{MASK}", "error": f"not signed with {MASK}", "tries": 3, "each": [{"key": MASK}]}


@pytest.mark.parametrize(
    ("said", "evidence", "waits"),
    [
        (End(Healed.UNKNOWN, f"bad.{KEY}", FACTS, ASKED), SHOWN, {}),
        (Refusal(Reason.LOCKED, KEY, stations=ASKED, evidence=FACTS), {}, {"i-web": f"locked.{MASK}"}),
    ],
    ids=["end", "refusal"],
)
def test_what_a_playbook_quotes_is_stored_without_secrets(
    said: End | Refusal, evidence: Mapping[str, Any], waits: Mapping[str, str]
) -> None:
    """Code, detail, evidence however deep, and the numbers of its questions; what is no secret keeps its kind."""
    learn(Settings.model_validate({"accounts": [ACCOUNT]}), {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY})

    def run(_case: Case, hands: Hands) -> End | Refusal:
        hands.read("look", dict)
        return said

    told = scene(run)().play()
    assert KEY not in repr(told)
    assert evidence.items() <= dict(told.evidence.get("i-web", {})).items()
    assert told.waits == waits


def test_a_missing_table_is_a_mistake_and_a_locked_one_is_an_outage(tmp_path: Any) -> None:
    """Both are one class to the driver; what passes is told apart by its code."""
    first, second = (sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}", connect_args={"timeout": 0}) for _ in range(2))
    with first.connect() as one, second.connect() as other:
        one.exec_driver_sql("CREATE TABLE here (x)")
        one.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(sa.exc.OperationalError) as locked:
            other.exec_driver_sql("SELECT * FROM here")
        one.rollback()
        with pytest.raises(sa.exc.OperationalError) as missing:
            other.exec_driver_sql("SELECT * FROM nowhere")
    assert is_away(locked.value)
    assert not is_away(missing.value)
    first.dispose()
    second.dispose()
