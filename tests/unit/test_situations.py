"""The playbooks for trouble inside a server, told as scenes: what is found out, what is mended, who is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from cloudheal.act.playbook import Playbook
from cloudheal.cli import app
from cloudheal.model.deed import EVIDENCE
from cloudheal.playbooks.bandwidth_over_limit import BANDWIDTH_OVER_LIMIT
from cloudheal.playbooks.connections_over_limit import CONNECTIONS_OVER_LIMIT
from cloudheal.playbooks.diagnosing import DiagnoseParameters
from cloudheal.playbooks.disk_read_only import DISK_READ_ONLY
from cloudheal.playbooks.instance_rebooted import INSTANCE_REBOOTED
from cloudheal.playbooks.kernel_fault import KERNEL_FAULT
from cloudheal.playbooks.machine_rebooted import MACHINE_REBOOTED
from cloudheal.playbooks.out_of_memory import OUT_OF_MEMORY
from cloudheal.record.deeds import evidence_of
from cloudheal.testing import FakeCloud, Scene, Told, assert_replays, message
from cloudheal.testing.stage import stage
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "06-bring-back" / "cloudheal.yaml"
WEB = "i-web"
#: Each with the situation that its cloud tells of.
PLAYBOOKS: dict[str, tuple[Playbook, str]] = {
    one.name: (one, situation)
    for one, situation in (
        (CONNECTIONS_OVER_LIMIT, "CvmPacketDropedByQosConnectionSession"),
        (BANDWIDTH_OVER_LIMIT, "CvmPacketDropedByQosWanOutBandwidth"),
        (DISK_READ_ONLY, "DiskReadonly"),
        (KERNEL_FAULT, "GuestCoreError"),
        (OUT_OF_MEMORY, "GuestOom"),
        (INSTANCE_REBOOTED, "InstanceRestarted"),
        (MACHINE_REBOOTED, "GuestReboot"),
    )
}
#: Those that mend by themselves when the rule says nothing.
BY_THEMSELVES = {"instance_rebooted"}
Change = Callable[[FakeCloud], object]


def troubled(name: str, change: Change = lambda _: None, **parameters: Any) -> Scene:
    """Return a scene in which something befalls the inside of a server."""
    cloud, (_, situation) = FakeCloud(), PLAYBOOKS[name]
    web = cloud.server(WEB)
    type_ = f"cvm:ErrorEvent:{situation}"
    rule = {
        "name": "inside",
        "when": {"type": [type_]},
        "resources": {"all": True},
        "playbook": name,
        "with": parameters,
        "mode": "auto",
    }
    cloud.guests.inside = lambda _server, command: (0, f"found with secret=hunter2 in {len(command.text)}\n")
    change(cloud)
    told = message(web, type_, {"situation": situation}, cloud.clock.now(), "1")
    return Scene(cloud, rules=[rule], events=[told])


def ended(told: Told) -> tuple[str, str]:
    """Return the verdict and its code."""
    return told.verdicts[WEB], told.evidence[WEB].get("code", "")


def sent(scene: Scene) -> list[str]:
    """Return the commands that were sent."""
    return [one.text for one in scene.cloud.guests.commands]


def script(name: str) -> str:
    """Return the command by which a playbook finds out."""
    module = PLAYBOOKS[name][0].run.__globals__
    return str(module["SITUATION"].script)


@pytest.mark.parametrize("name", sorted(PLAYBOOKS.keys() - BY_THEMSELVES))
def test_people_are_told_what_was_found(name: str) -> None:
    """Nothing is configured: one command that only looks, its output as evidence, masked, and a notice (S3.3)."""
    scene = troubled(name)
    with stage() as database:
        told = scene.play_on(database)
        with database.snapshot() as connection:
            kept = evidence_of(connection, WEB)
    assert ended(told) == ("not healed", "left_to_people")
    assert sent(scene) == [script(name)]
    assert told.notices == ("incident.not_healed",)
    assert told.evidence[WEB]["printed"].startswith("found with secret=***")
    assert "cloudheal evidence i-web" in told.evidence[WEB]["advice"]
    assert kept is not None
    assert kept["diagnosis"]["printed"].startswith("found with secret=***")
    assert kept["server"]["state"] == "Running"


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
def test_what_the_rule_says_is_done_after_the_evidence_is_kept(name: str) -> None:
    """First it finds out, then it keeps that, then it mends, once; and proves it."""
    scene = troubled(name, unit="shop", probe={"tcp": 8080})
    told = scene.play()
    assert ended(told) == ("healed", "restored")
    assert [text.count("systemctl start shop") for text in sent(scene)] == [0, 1]
    steps = list(told.steps)
    assert steps.index(f"{EVIDENCE}: kept") < steps.index("command 1: intent")
    assert told.evidence[WEB]["probe"] == "tcp 8080: connected"


def test_an_instance_that_its_cloud_restarted_has_its_failed_units_started() -> None:
    """That is the one that acts by itself; the rule may say otherwise."""
    scene = troubled("instance_rebooted")
    assert ended(scene.play()) == ("healed", "restored")
    assert [text.count("systemctl --failed --plain") for text in sent(scene)] == [0, 2]
    told = troubled("instance_rebooted", start_failed=False).play()
    assert ended(told) == ("not healed", "left_to_people")


def test_a_unit_that_stays_failed_is_told() -> None:
    """The exit code says that it did not help, the output which one it is."""

    def change(cloud: FakeCloud) -> None:
        cloud.guests.exits_with(0, "looked")
        cloud.guests.exits_with(69, "cloudheal: failed still: shop.service\n")

    told = troubled("instance_rebooted", change).play()
    assert ended(told) == ("not healed", "command_failed")
    assert "shop.service" in told.evidence[WEB]["advice"]


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
def test_a_server_that_cannot_be_asked_is_told_and_not_touched(name: str) -> None:
    """Its agent does not answer in time: people are told, with what is known from outside."""

    def mute(cloud: FakeCloud) -> None:
        cloud.guests.offline.add(WEB)
        cloud.guests.consoles[WEB] = "Kernel panic\n"

    scene = troubled(name, mute, unit="shop", limit="1m")
    with stage() as database:
        told = scene.play_on(database)
        with database.snapshot() as connection:
            kept = evidence_of(connection, WEB)
    assert ended(told) == ("not healed", "not_ready")
    assert told.actions == ()
    assert "its agent is offline" in told.evidence[WEB]["advice"]
    assert kept is not None
    assert kept["console"] == "Kernel panic\n"


def test_a_diagnosis_that_cannot_be_run_is_no_reason_not_to_mend() -> None:
    """It is told, and what the rule says is done all the same."""
    told = troubled("out_of_memory", lambda cloud: cloud.guests.exits_with(1, "no shell"), unit="shop").play()
    assert ended(told) == ("healed", "restored")
    assert "no shell" in told.evidence[WEB]["problem"]


def test_a_server_that_stops_meanwhile_gets_no_command() -> None:
    """It was asked, and went down before it was mended: it is looked at once more just before."""

    def change(cloud: FakeCloud) -> None:
        cloud.clock.plan(timedelta(seconds=1), lambda: cloud.changes(cloud.id_of(WEB), "Stopped"))

    scene = troubled("out_of_memory", change, unit="shop", limit="30s")
    assert ended(scene.play()) == ("not healed", "not_ready")
    assert sent(scene) == [script("out_of_memory")]


def test_failures_that_another_cloud_tells_of_open_the_same_playbooks() -> None:
    """A failure of the guest on Alibaba Cloud is seen to as well."""
    cloud = FakeCloud()
    web = cloud.server(WEB)
    told = Scene(
        cloud, rules=[_failure("machine_rebooted")], events=[cloud.maintenance.fails(web, "InstanceFailure.Reboot")]
    ).play()
    assert ended(told) == ("healed", "restored")


@pytest.mark.parametrize("playbook", ["machine_rebooted", "rerun_process"])
def test_a_simulated_failure_is_answered_dryly(playbook: str) -> None:
    """It is fetched by its id first, and nothing runs inside the server (law 10)."""
    cloud = FakeCloud()
    web = cloud.server(WEB)
    told = Scene(cloud, rules=[_failure(playbook)], events=[cloud.maintenance.fails(web, simulated=True)]).play()
    assert (ended(told), told.actions) == (("not needed", "simulated"), ())


@pytest.mark.parametrize("playbook", ["machine_rebooted", "rerun_process"])
def test_a_failure_that_cannot_be_read_is_no_reason_to_act(playbook: str) -> None:
    """It is asked for until the time is over, and then a person."""
    cloud = FakeCloud()
    web = cloud.server(WEB)
    scene = Scene(cloud, rules=[_failure(playbook)], events=[cloud.maintenance.fails(web)])
    cloud.refuses("system_events", "Forbidden.RAM", 10_000)
    told = scene.play()
    assert (told.waits, told.actions) == ({WEB: "unknown_state"}, ())


@pytest.mark.parametrize("parameters", [{}, {"unit": "shop", "verify": "true"}], ids=["told", "mended"])
def test_a_process_that_dies_anywhere_does_nothing_twice(parameters: dict[str, Any]) -> None:
    """Whatever was done is not done again, and the end is the same."""
    assert assert_replays(lambda: troubled("machine_rebooted", **parameters)) > 10


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("connections_over_limit", {"conntrack_max": 10}),
        ("connections_over_limit", {"conntrack_max": 262_144, "unit": "shop"}),
        ("bandwidth_over_limit", {"stop_unit": "x; reboot"}),
        ("bandwidth_over_limit", {"stop_unit": "backup.timer", "command": "true"}),
        ("out_of_memory", {"conntrack_max": 262_144}),
    ],
)
def test_a_rule_says_one_way_to_mend(name: str, parameters: dict[str, Any]) -> None:
    """Everything else is refused when the rule is read."""
    with pytest.raises(ValidationError):
        PLAYBOOKS[name][0].parameters.model_validate(parameters)


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
def test_its_plan_can_be_read_before_it_is_trusted(name: str) -> None:
    """`playbooks show` says step by step what it does, and which events start it (S3.3)."""
    shown = CliRunner().invoke(app, ["playbooks", "show", name, "--config", str(EXAMPLE)])
    assert shown.exit_code == 0, shown.output
    told = " ".join(shown.output.split())
    assert all(f"Step {number}: {step}" in told for number, step in enumerate(PLAYBOOKS[name][0].steps, 1))
    assert f"cvm:ErrorEvent:{PLAYBOOKS[name][1]}" in told


def test_without_a_word_nothing_is_to_be_run() -> None:
    """Unless the playbook says so itself."""
    silent = {name for name, (one, _) in PLAYBOOKS.items() if not _says_how(one.parameters())}
    assert silent == PLAYBOOKS.keys() - BY_THEMSELVES


def _failure(playbook: str) -> dict[str, Any]:
    return {
        "name": "inside",
        "when": {"type": ["Instance:InstanceFailure.Reboot", "Instance:SystemFailure.Reboot"]},
        "resources": {"all": True},
        "playbook": playbook,
        "with": {"unit": "shop"},
        "mode": "auto",
    }


def _says_how(parameters: object) -> bool:
    assert isinstance(parameters, DiagnoseParameters)
    return parameters.says_how
