"""What playbooks send into servers does there what it says: in a real shell, and inside the simulator's servers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cloudheal.playbooks.bandwidth_over_limit import BandwidthParameters
from cloudheal.playbooks.connections_over_limit import ConnectionsParameters
from cloudheal.playbooks.diagnosing import DiagnoseParameters
from cloudheal.playbooks.instance_rebooted import InstanceRebootedParameters
from cloudheal.playbooks.rerun_process import RerunParameters
from cloudheal.playbooks.restoring import ABSENT
from tests.sim.test_guest_faults import Server, server
from tests.unit.test_situations import PLAYBOOKS, script

__all__ = ["server"]
#: What is made of a rule's words, in every form.
MADE = {
    "parts": RerunParameters.model_validate({"check": "pgrep -x web", "start": "nohup web >/dev/null 2>&1 &"}),
    "unit": RerunParameters.model_validate({"unit": "web"}),
    "restart": RerunParameters.model_validate({"unit": "web", "restart": True}),
    "table": ConnectionsParameters.model_validate({"conntrack_max": 262_144}),
    "stop": BandwidthParameters.model_validate({"stop_unit": "web"}),
    "failed": InstanceRebootedParameters.model_validate({}),
}


def shell(text: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a real shell."""
    return subprocess.run(
        ["sh", *options, "-c", text], cwd=folder, capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.parametrize("text", [*(one.text for one in MADE.values()), *(script(name) for name in PLAYBOOKS)])
def test_a_real_shell_can_read_it(text: str, tmp_path: Path) -> None:
    """Nothing is run."""
    done = shell(text, tmp_path, "-n")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_restore_command_checks_first_and_starts_only_what_is_absent(tmp_path: Path) -> None:
    """Run twice there is one process (S3.5); quotes and other scripts survive."""
    check, start = "test -s \"a 'b' 服务\"", "printf '%s\\n' \"x\\\\y\" >> \"a 'b' 服务\""
    text = RerunParameters.model_validate({"check": check, "start": start}).text
    first, second = shell(text, tmp_path), shell(text, tmp_path)
    assert (first.returncode, first.stdout) == (0, "cloudheal: it was started and runs\n")
    assert (second.returncode, second.stdout) == (0, "cloudheal: it runs already\n")
    assert (tmp_path / "a 'b' 服务").read_text(encoding="utf-8") == "x\\y\n"


def test_a_start_that_does_not_help_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    """Whatever the start said: the check decides."""
    text = RerunParameters.model_validate({"check": "false", "start": "echo sure", "appears": "0s"}).text
    done = shell(text, tmp_path)
    assert (done.returncode, done.stdout) == (ABSENT, "sure\ncloudheal: it does not run after its start\n")


def test_a_start_in_the_background_does_not_hold_the_command(tmp_path: Path) -> None:
    """The template of the documentation returns at once, because its output is redirected (Q21)."""
    start = "nohup sleep 15 > out 2>&1 < /dev/null & echo $! > pid"
    text = RerunParameters.model_validate({"check": "test -s pid", "start": start}).text
    assert shell(text, tmp_path).returncode == 0
    pid = (tmp_path / "pid").read_text().strip()
    assert shell(f"kill {pid}", tmp_path).returncode == 0


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
def test_a_diagnosis_ends_well_whatever_is_missing(name: str, server: Server) -> None:
    """Each look has its heading, and one that cannot be done does not end the others."""
    status, output = server.does(script(name))
    assert status == 0
    assert output.count("== ") >= script(name).count("echo '== ")


def test_failed_units_are_started(server: Server) -> None:
    """What the kernel killed runs again; a second time there is nothing to start."""
    server.suffers("oom_kill")
    server.suffers("oom_kill", process="cache")
    assert server.shows("systemctl --failed --no-pager", "2 loaded units listed")
    assert server.does(MADE["failed"].text) == (0, "cloudheal: no unit has failed\n")
    assert server.does("systemctl is-active --quiet web && systemctl is-active cache") == (0, "active\n")
    assert server.does(MADE["failed"].text) == (0, "cloudheal: no unit has failed\n")


@pytest.mark.parametrize("how", ["parts", "unit", "restart"])
def test_a_process_that_died_is_brought_back(how: str, server: Server) -> None:
    """By check and start, or by its unit."""
    server.suffers("process_die", process="web")
    status, output = server.does(MADE[how].text)
    assert (status, output.splitlines()[-1]) == (0, "cloudheal: it was started and runs")
    assert server.does("pgrep -x web")[0] == 0


def test_a_table_is_made_larger_and_never_smaller(server: Server) -> None:
    """It ends the trouble; asked for less than there is nothing happens."""
    server.suffers("conntrack_full")
    assert server.does(MADE["table"].text)[0] == 0
    name = "/proc/sys/net/netfilter/nf_conntrack_max"
    assert server.does(f"cat {name}") == (0, "262144\n")
    less = ConnectionsParameters.model_validate({"conntrack_max": 2048})
    assert server.does(less.text) == (0, "cloudheal: it is as large already\n")
    assert server.does(f"cat {name}") == (0, "262144\n")


def test_a_unit_is_stopped(server: Server) -> None:
    """And seen as stopped."""
    assert server.does(MADE["stop"].text) == (0, "cloudheal: it is stopped\n")
    assert server.does("pgrep -x web")[0] == 1


def test_every_way_is_one_of_the_parameters() -> None:
    """Nothing is made of nothing."""
    assert all(one.says_how for one in MADE.values())
    assert not DiagnoseParameters().says_how
