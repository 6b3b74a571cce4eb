"""A rule's `probe`: what may be asked, and what a reboot makes of a server that answers, late or never."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from cloudheal.playbooks.probing import ProbeParameters
from cloudheal.testing import FakeCloud, Scene
from cloudheal.testing.engine import Death
from tests.unit.test_reboot_in_window import BEFORE, REBOOTED, WEB, ended, maintained, weights

PAGE = "http://{address}:8080/healthz"
OUT = {"lb-1/rsp-1": (WEB, 8080, 0), "lb-2/default": (WEB, 0, 0)}


def probed(change: Callable[[FakeCloud], object] = lambda _: None, **probe: Any) -> Scene:
    """Return a scene with a probe, behind balancers."""
    return maintained(change, grouped=True, probe=probe)


def warming_up(minutes: float | None) -> Callable[[FakeCloud], object]:
    """Let services answer so many minutes after the start of their server, or never."""

    def change(cloud: FakeCloud) -> None:
        cloud.services.warm_up = None if minutes is None else timedelta(minutes=minutes)

    return change


def described_as(address: str) -> Callable[[FakeCloud], object]:
    """Let the cloud describe another address of the server."""
    return lambda cloud: cloud.server(WEB, address=address)


# --- what may be asked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "probe",
    [
        {"tcp": 22},
        {"tcp": 22, "host": "db.internal"},
        {"tcp": 22, "host": "fd00::7"},
        {"http": PAGE, "status": 204, "within": "3m"},
        {"http": "https://{address}"},
        {"http": "http://shop.example:80/a/b?c=d&e=%20"},
        {"http": "http://[fd00::7]:8080/"},
    ],
)
def test_a_probe_is_one_question(probe: dict[str, Any]) -> None:
    """A port or a page."""
    assert ProbeParameters.model_validate(probe).model_dump(exclude_defaults=True) == probe


@pytest.mark.parametrize(
    "probe",
    [
        {},
        {"tcp": 22, "http": PAGE},
        {"tcp": 0},
        {"tcp": 22, "host": "{address}"},
        {"tcp": 22, "host": "fe80::1%eth0"},
        {"http": PAGE, "host": "db.internal"},
        {"http": "ftp://{address}/"},
        {"http": "file:///etc/passwd"},
        {"http": "http://user:word@{address}/"},
        {"http": "http://{address}@elsewhere/"},
        {"http": "http://{address}.elsewhere/"},
        {"http": "http://{name}/"},
        {"http": "http://shop.example/{address}"},
        {"http": "http://{address}:99999/"},
        {"http": "http://{address}/#part"},
        {"http": "http://{address}/a b"},
        {"http": "http://{address}/\r\nHost: elsewhere"},
        {"http": PAGE, "status": 101},
        {"tcp": 22, "timeout": "0s"},
        {"tcp": 22, "timeout": "31s"},
        {"tcp": 22, "udp": 22},
    ],
)
def test_what_is_no_question_is_refused_when_the_rules_are_read(probe: dict[str, Any]) -> None:
    """Neither nothing nor two things; no other protocol, no credentials, nothing of the server but its address."""
    with pytest.raises(ValidationError):
        ProbeParameters.model_validate(probe)


@pytest.mark.parametrize("address", ["", "web-01", "10.0.0.1/evil", "10.0.0.1:80@elsewhere", "fe80::1%25/evil"])
@pytest.mark.parametrize("probe", [{"http": PAGE}, {"tcp": 22}])
def test_what_is_no_address_is_never_asked(address: str, probe: dict[str, Any]) -> None:
    """Whatever the cloud describes, only the plain address of a machine gets into a question."""
    scene = probed(described_as(address), within="2s", **probe)
    told = scene.play()
    assert ended(told) == ("not healed", "probe_failed")
    assert "no valid private address" in told.evidence[WEB]["probe"]
    assert scene.cloud.services.asked == []


# --- what comes of it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probe", "asked"),
    [
        ({"tcp": 22}, "tcp 10.0.0.1:22"),
        ({"tcp": 5432, "host": "10.0.0.2"}, "tcp 10.0.0.2:5432"),
        ({"http": PAGE}, "http://10.0.0.1:8080/healthz"),
    ],
)
def test_a_server_that_answers_serves_again(probe: dict[str, Any], asked: str) -> None:
    """Asked once, after the reboot and before its weights are back; what it said is in the verdict."""
    scene = probed(**probe)
    told = scene.play()
    assert ended(told) == ("healed", "avoided")
    assert scene.cloud.services.asked == [asked]
    assert told.evidence[WEB]["probe"].endswith(("connected", "status 200"))
    assert weights(scene.cloud) == BEFORE
    steps = [one for one in told.steps if one == "probe asked" or one.startswith(("reboot 1:", "restore"))]
    assert steps[2] == "probe asked"


def test_an_address_of_the_sixth_version_is_written_in_brackets() -> None:
    """As addresses of pages have it."""
    scene = probed(described_as("fd00::7"), http=PAGE, within="0s")
    scene.play()
    assert scene.cloud.services.asked == ["http://[fd00::7]:8080/healthz"]


def test_a_server_that_answers_late_is_waited_for_as_a_row() -> None:
    """No look waits longer than a minute; each goes on asking within the same time."""
    scene = probed(warming_up(3.5), tcp=22, within="5m")
    told = scene.play()
    assert ended(told) == ("healed", "avoided")
    assert told.steps.count("probe asked") > 2
    assert told.actions.count(REBOOTED) == 1
    assert weights(scene.cloud) == BEFORE


@pytest.mark.parametrize("within", ["10s", "4m"])
def test_a_server_that_never_answers_stays_out_and_people_are_told(within: str) -> None:
    """Not healed although the event was avoided; the notice names the question and where it is missing."""
    scene = probed(warming_up(None), http=PAGE, within=within)
    told = scene.play()
    assert ended(told) == ("not healed", "probe_failed")
    assert told.notices == ("incident.not_healed",)
    facts = told.evidence[WEB]
    assert facts["probe"] == "http http://{address}:8080/healthz: connection refused"
    assert facts["event"] == "Avoided"
    assert "lb-1/rsp-1 8080@30" in facts["still_out"]
    assert facts["advice"] == f"{facts['probe']}; not put back into its balancers: {facts['still_out']}"
    now = weights(scene.cloud)
    assert {place: now[place][0] for place in now} == OUT


def test_the_wrong_status_is_no_answer() -> None:
    """A page that says 503 keeps the server out."""

    def change(cloud: FakeCloud) -> None:
        cloud.services.status = 503

    told = probed(change, http=PAGE, within="10s").play()
    assert ended(told) == ("not healed", "probe_failed")
    assert "status 503" in told.evidence[WEB]["probe"]


def test_the_query_of_an_address_is_not_told() -> None:
    """It may hold a secret."""
    told = probed(warming_up(None), http=f"{PAGE}?key=geheim", within="1s").play()
    assert ended(told) == ("not healed", "probe_failed")
    assert "geheim" not in str(told)


def test_without_balancers_the_failed_probe_is_all_that_is_told() -> None:
    """Nothing was taken out, so nothing is missing anywhere."""
    told = maintained(warming_up(None), probe={"tcp": 22, "within": "1s"}).play()
    assert ended(told) == ("not healed", "probe_failed")
    assert told.evidence[WEB]["advice"] == told.evidence[WEB]["probe"] == "tcp 22: connection refused"


def test_a_simulated_event_asks_nothing() -> None:
    """Law 10: what is rehearsed reaches no server."""
    scene = maintained(simulated=True, probe={"tcp": 22})
    assert ended(scene.play()) == ("not needed", "simulated")
    assert scene.cloud.services.asked == []


def test_what_was_answered_is_not_asked_again() -> None:
    """Looks that only wait for the event leave the server in peace."""

    def change(cloud: FakeCloud) -> None:
        cloud.maintenance.avoiding = timedelta(minutes=4)

    scene = probed(change, tcp=22)
    told = scene.play()
    assert ended(told) == ("healed", "avoided")
    assert told.steps.count("journal") > 1
    assert scene.cloud.services.asked == ["tcp 10.0.0.1:22"]


@pytest.mark.parametrize("minutes", [1.5, None])
def test_a_death_at_any_step_of_the_probe_does_no_harm(minutes: float | None) -> None:
    """One reboot and the same verdict, whenever the process dies; the old weights only after an answer."""

    def scene() -> Scene:
        return probed(warming_up(minutes), tcp=22, within="2m")

    whole = scene().play()
    numbers = [number for number, name in enumerate(whole.steps, 1) if name.startswith("probe")]
    assert len(numbers) >= 4
    for number in numbers:
        for checkpointed in (True, False):
            again = scene().dying(Death(number, checkpointed=checkpointed))
            told = again.play()
            assert told.actions.count(REBOOTED) == 1
            assert ended(told) == ended(whole)
            assert (weights(again.cloud) == BEFORE) is (minutes is not None)
