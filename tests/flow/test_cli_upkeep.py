"""Upgrades and lost disks: real workers are drained, backed up, restored and told to go on."""

from __future__ import annotations

import subprocess
import threading

import pytest

from tests.flow.operators import Operator, until
from tests.flow.test_restart import WORLD

PATIENCE = 90


@pytest.fixture
def operator(at_hand: Operator) -> Operator:
    """Commands run in this process: what is waited for is asked many times. Workers are processes."""
    return at_hand


def verdicts(operator: Operator) -> dict[str, str]:
    """Return the verdict of every incident, by server."""
    return {row["resource"]: row["verdict"] for row in operator.json("incidents")}


def waiting_messages(operator: Operator) -> int:
    """Count the messages on the queue."""
    (queue,) = operator.simulator.control("GET", "world")["alibaba"]["queues"]
    return len(queue["messages"])


@pytest.mark.timeout(400)
def test_a_drained_worker_ends_what_it_does_and_begins_nothing_until_told(operator: Operator) -> None:
    """The command waits for the run at work; a later stop stays on the queue, also over a restart of the worker."""
    operator.simulator.world({**WORLD, "alibaba": {**WORLD["alibaba"], "durations": {"starting": 5, "stopping": 0.5}}})
    operator.done("rules", "promote", "restart-unexpected-stop")
    with operator.worker() as worker:
        operator.chaos("power_off", "i-bp1web01")
        until(lambda: bool(operator.starts()), PATIENCE, "a start under way")
        printed: list[subprocess.CompletedProcess[str]] = []
        draining = threading.Thread(target=lambda: printed.append(operator("drain", "--timeout", "2m")))
        draining.start()
        draining.join()
        assert printed[0].returncode == 0, printed[0].stdout
        assert "Drained" in printed[0].stdout
        assert verdicts(operator) == {"i-bp1web01": "healed"}
        operator.chaos("power_off", "i-bp1web02")
        until(lambda: waiting_messages(operator) >= 1, PATIENCE, "a message on the queue")
        assert operator.json("drain")["done"]
        assert worker.logged("worker.draining")
        assert worker.stop() == 0
    assert waiting_messages(operator) >= 1
    with operator.worker() as worker:
        assert operator.json("drain")["done"]
        assert set(verdicts(operator)) == {"i-bp1web01"}
        assert "Workers go on" in operator.done("drain", "--off")
        until(lambda: verdicts(operator).get("i-bp1web02") == "healed", PATIENCE, "the heal")
        assert worker.stop() == 0
    assert "Nothing was draining" in operator.done("drain", "--off")


@pytest.mark.timeout(400)
def test_a_restored_run_goes_on_at_a_persons_word_only(operator: Operator) -> None:
    """In a new database it stays parked while another server is healed beside it; after `runs restart` it is healed."""
    operator.done("rules", "promote", "restart-unexpected-stop")
    operator.done("pause", "before the backup")
    with operator.worker() as worker:
        operator.chaos("power_off", "i-bp1web01")
        until(lambda: verdicts(operator) == {"i-bp1web01": ""}, PATIENCE, "an incident that waits")
        operator.done("backup", "backup.zip")
        assert worker.stop() == 0
    operator.settings(database=f"sqlite:///{operator.folder / 'new.db'}")
    assert "1 run is parked" in operator.done("restore", "backup.zip")
    operator.done("resume")
    with operator.worker() as worker:
        operator.chaos("power_off", "i-bp1web02")
        until(lambda: verdicts(operator).get("i-bp1web02") == "healed", PATIENCE, "the heal of the other")
        (parked,) = operator.json("runs", "--open")
        assert (parked["state"], parked["waits_for"]) == ("parked", "restored")
        assert list(operator.starts()) == ["i-bp1web02"]
        operator.done("runs", "restart", parked["id"][:8])
        until(lambda: verdicts(operator).get("i-bp1web01") == "healed", PATIENCE, "the heal of the restarted")
        assert worker.stop() == 0
    story = operator.done("explain", "i-bp1web01")
    assert "The run was put aside: it came out of a backup." in story
    assert "let the run begin again." in story
    operator.done("audit", "verify")


def test_a_restore_of_a_quiet_record_leaves_no_choice_to_make(operator: Operator) -> None:
    """Nobody is sent to look for runs that are not there."""
    operator.done("backup", "quiet.zip")
    operator.settings(database=f"sqlite:///{operator.folder / 'other.db'}")
    assert "nothing was under way." in operator.done("restore", "quiet.zip")
