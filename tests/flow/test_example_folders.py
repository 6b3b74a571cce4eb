"""The examples work as their pages say: each is copied to a desk, pointed at the simulator, and used."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.flow.operators import Operator
from tests.sim.simulator import RunningSimulator

EXAMPLES = ROOT / "examples"
FOLDERS = sorted(path for path in EXAMPLES.iterdir() if path.is_dir() and path.name[0].isdigit())
WEB = "i-bp1web01"
ACCOUNT = "1000000000000001"
WORLD: dict[str, Any] = {
    "regions": ["cn-hangzhou"],
    "alibaba": {
        "instances": [
            {"id": WEB, "region": "cn-hangzhou", "status": "Stopped", "name": "web-01", "tags": {"role": "web"}}
        ],
        "durations": {"starting": 0.5},
    },
}


@pytest.fixture
def desk(shell_simulator: RunningSimulator, tmp_path: Path) -> Operator:
    """An operator at a simulator with one stopped server."""
    shell_simulator.control("POST", "reset")
    shell_simulator.world(WORLD)
    return Operator(tmp_path, shell_simulator, {"PYTHONPATH": os.environ.get("PYTHONPATH", "")})


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which a service listens."""
    with socket.create_server(("127.0.0.1", 0)) as service:
        yield service.getsockname()[1]


def lay_out(desk: Operator, example: str) -> dict[str, Any]:
    """Copy an example to the desk; returns its settings, pointed at the simulator."""
    shutil.copytree(EXAMPLES / example, desk.folder, dirs_exist_ok=True)
    document: dict[str, Any] = yaml.safe_load((desk.folder / "cloudheal.yaml").read_text(encoding="utf-8"))
    (account,) = document["accounts"]
    account["endpoint"] = desk.simulator.url
    account.pop("queue", None)
    return document | {"database": f"sqlite:///{desk.folder / 'c.db'}", "settle_seconds": 0.5}


def write(desk: Operator, document: dict[str, Any]) -> Path:
    """Write the settings back."""
    path = desk.folder / "cloudheal.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def line(name: str, content: dict[str, str]) -> str:
    """Return a message as a queue holds it."""
    instance = content.get("resourceId") or content["instanceId"]
    return json.dumps({
        "product": "ECS", "name": name, "regionId": "cn-hangzhou", "userId": ACCOUNT, "content": content,
        "resourceId": f"acs:ecs:cn-hangzhou:{ACCOUNT}:instance/{instance}", "eventTime": "20260302T110000.000+0800",
    })  # fmt: skip


def feed(desk: Operator, *lines: str) -> None:
    """Take messages in, and heal what must be healed."""
    (desk.folder / "events.jsonl").write_text("\n".join(lines), encoding="utf-8")
    desk.done("feed", "events.jsonl")
    desk.done("run", "--once")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_example_is_explained_in_both_languages(folder: Path) -> None:
    """A reader learns what the example shows and what to type."""
    for name in ("README.md", "README.zh-CN.md"):
        assert len((folder / name).read_text(encoding="utf-8").splitlines()) > 5


def test_a_playbook_in_a_folder_heals(desk: Operator, port: int) -> None:
    """It is listed, promoted like any other, starts the server, and the verdict names the service that answered."""
    document = lay_out(desk, "02-playbook-in-a-folder")
    (rule,) = document["rules"]
    rule["with"] |= {"host": "127.0.0.1", "port": port}
    write(desk, document)
    (mine,) = [one for one in desk.json("playbooks", "list") if one["name"] == "start_and_probe"]
    assert mine["origin"].endswith("playbooks/start_and_probe.py")
    shown = desk.done("playbooks", "show", "start_and_probe")
    assert "Its port took a TCP connection." in shown
    desk.done("rules", "promote", rule["name"])
    feed(desk, line("Instance:StateChange", {"resourceId": WEB, "state": "Stopped"}))
    (incident,) = desk.json("incidents")
    assert (incident["verdict"], incident["code"]) == ("healed", "service_answers")
    assert desk.starts() == [WEB]


def test_a_playbook_with_a_mistake_stops_the_start_with_its_line(desk: Operator) -> None:
    """Neither `run` nor `check` goes on with half of the extensions; both name the settings and the file."""
    write(desk, lay_out(desk, "02-playbook-in-a-folder"))
    file = desk.folder / "playbooks" / "start_and_probe.py"
    file.write_text(file.read_text(encoding="utf-8").replace("import socket", "import soket"), encoding="utf-8")
    done = desk("run", "--once")
    assert done.returncode == 2
    assert f"{file}:3: ModuleNotFoundError: No module named 'soket'" in done.stderr
    assert "cloudheal.yaml:" in done.stderr
    assert "soket" in desk("check").stdout


def test_a_package_brings_the_same_playbook(desk: Operator) -> None:
    """Installed beside cloudheal, its entry point is all that it takes; the code is that of the folder."""
    folder, package = EXAMPLES / "02-playbook-in-a-folder", EXAMPLES / "03-playbook-as-a-package"
    code = package / "src" / "start_and_probe" / "__init__.py"
    assert code.read_text(encoding="utf-8") == (folder / "playbooks" / "start_and_probe.py").read_text(encoding="utf-8")
    site, source = desk.folder / "site", desk.folder / "source"
    shutil.copytree(package, source)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(source)], check=True, timeout=100)
    desk.environment["PYTHONPATH"] = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    document = lay_out(desk, "02-playbook-in-a-folder")
    write(desk, document | {"extensions": {}})
    (mine,) = [one for one in desk.json("playbooks", "list") if one["name"] == "start_and_probe"]
    assert mine["origin"] == "package cloudheal-start-and-probe, entry point start_and_probe"


def test_listeners_after_the_vendors_sample_are_told(desk: Operator) -> None:
    """Each hears the events it was registered for, once, and `listeners list` counts them."""
    write(desk, lay_out(desk, "04-old-listener"))
    feed(
        desk,
        line("Instance:StateChange", {"resourceId": WEB, "state": "Stopped"}),
        line("Instance:StateChange", {"resourceId": WEB, "state": "Stopped"}),
        line("Instance:PreemptibleInstanceInterruption", {"instanceId": WEB, "action": "delete"}),
    )
    heard = [json.loads(one) for one in (desk.folder / "heard.jsonl").read_text(encoding="utf-8").splitlines()]
    stopped = {"server": WEB, "state": "Stopped", "region": "cn-hangzhou"}
    leaving = {"server": WEB, "leaves": "20260302T110000.000+0800"}
    assert heard in ([stopped, leaving], [leaving, stopped])  # neither listener waits for the other
    rows = {one["listener"]: (one["done"], one["waiting"], one["failed"]) for one in desk.json("listeners", "list")}
    assert rows == {"ecs_listeners.StateChangeListener": (1, 0, 0), "ecs_listeners.PreemptibleListener": (1, 0, 0)}
    assert "Instance:PreemptibleInstanceInterruption" in desk.done("listeners", "list")


def test_the_tests_of_a_playbook_pass() -> None:
    """What authors are told to write runs as it stands."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(
        [*command, str(EXAMPLES / "05-playbook-test")], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout
