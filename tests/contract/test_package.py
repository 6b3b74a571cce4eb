"""The package for functions: unpacked as the platform does, it takes events in and goes on at the timer's call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudheal.app.packaging import package_function
from cloudheal.errors import SettingsError
from cloudheal.ports import SystemClock
from cloudheal.record.database import open_database
from cloudheal.record.promotions import promote
from cloudheal.record.schema import migrate
from cloudheal.settings import load_settings
from tests.conftest import ROOT
from tests.contract.test_function import ACCOUNT, RULE, stopped
from tests.sim.simulator import RunningSimulator

#: What the platform does: it imports the entrance from the unpacked code and calls it.
PLATFORM = """
import json, sys
from types import SimpleNamespace
import index, cloudheal
assert cloudheal.__file__.startswith(sys.argv[1]), cloudheal.__file__
context = SimpleNamespace(request_id="r", function=SimpleNamespace(name="cloudheal", timeout=40))
for event in sys.stdin.read().splitlines():
    print(index.handler(event.encode(), context))
"""
#: What is followed on the machine that writes it.
LOG = {
    "name": "access",
    "files": ["access.log"],
    "format": "combined",
    "metrics": [{"name": "qps", "measures": ["countps()"]}],
}
TIMER = '{"triggerTime":"2026-03-02T03:01:00Z","triggerName":"minute","payload":""}'


def written(folder: Path, **changes: Any) -> Path:
    """Write a settings file as somebody has it who wants a function."""
    account = {"name": "a", "cloud": "alibaba", "id": ACCOUNT, "regions": ["cn-hangzhou"]}
    document = {
        "accounts": [account | changes.pop("account", {})],
        "database": "postgresql://heal@db.internal/cloudheal",
        "rules": [RULE],
        "notify": {"targets": [{"name": "chat", "url_env": "CHAT_URL"}]},
        **changes,
    }
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def call(code: Path, *events: str) -> list[dict[str, int]]:
    """Call the unpacked function in a process of its own, with these events; returns its answers."""
    keys = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret"}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", PLATFORM, str(code)],
        input="\n".join(events),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=code,
        env=kept | keys | {"CLOUDHEAL_CONFIG": "cloudheal.yaml", "CHAT_URL": "json://127.0.0.1:9/x"},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_unpacked_function_heals(tmp_path: Path, database_url: str, simulator: RunningSimulator) -> None:
    """An event is healed within its call, the timer's call finds nothing left, and all of it is the package's code."""
    simulator.control("POST", "reset")
    server = {"id": "i-web", "region": "cn-hangzhou", "status": "Stopped"}
    simulator.world({"regions": ["cn-hangzhou"], "alibaba": {"instances": [server], "durations": {"starting": 0.5}}})
    config = written(
        tmp_path, database=database_url, account={"endpoint": simulator.url}, function={"act": "inline"}, notify={}
    )
    package_function(config, tmp_path / "out")
    code = tmp_path / "code"
    with zipfile.ZipFile(tmp_path / "out" / "code.zip") as archive:
        archive.extractall(code)
    database = open_database(database_url)
    migrate(database)
    with database.transaction() as connection:
        promote(connection, load_settings(config).rules, "test", SystemClock().now())
    database.close()
    first, again, timer = call(code, stopped().decode(), stopped().decode(), TIMER)
    assert (first["new"], first["acting"]) == (1, 1)
    assert (again["new"], again["duplicates"]) == (0, 1)
    assert timer == {"new": 0, "duplicates": 0, "dead": 0, "acting": 0}
    assert len(simulator.journal(action="StartInstance")) == 1


def test_the_package_holds_what_is_needed_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entrance, product, settings and own playbooks; values of the environment are nowhere."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "do-not-pack-me")
    (tmp_path / "mine").mkdir()
    example = ROOT / "examples" / "02-playbook-in-a-folder" / "playbooks" / "start_and_probe.py"
    (tmp_path / "mine" / "start_and_probe.py").write_bytes(example.read_bytes())
    config = written(tmp_path, extensions={"folders": ["mine"]})
    made = package_function(config, tmp_path / "out")
    assert made.variables == (
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "CHAT_URL",
        "PGPASSWORD",
    )
    with zipfile.ZipFile(tmp_path / "out" / "code.zip") as archive:
        names = set(archive.namelist())
        contents = b"".join(archive.read(name) for name in names)
    assert {"index.py", "cloudheal.yaml", "cloudheal/function.py", "mine/start_and_probe.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".so")]
    assert b"do-not-pack-me" not in contents + b"".join(
        one.read_bytes() for one in made.folder.rglob("*") if one.is_file()
    )
    first = (tmp_path / "out" / "code.zip").read_bytes()
    package_function(config, tmp_path / "out")
    assert (tmp_path / "out" / "code.zip").read_bytes() == first


def test_the_description_is_that_of_the_settings(tmp_path: Path) -> None:
    """One call at a time, a timer each minute, names of variables, places to fill in, and hashes for the layer."""
    made = package_function(written(tmp_path, function={"act": "inline"}), tmp_path / "out")
    text = (made.folder / "s.yaml").read_text(encoding="utf-8")
    properties = yaml.safe_load(text)["resources"]["cloudheal"]["props"]
    assert (properties["handler"], properties["region"]) == ("index.handler", "cn-hangzhou")
    assert (properties["instanceConcurrency"], properties["timeout"]) == (1, 300)
    assert properties["environmentVariables"]["CHAT_URL"] == "${env('CHAT_URL')}"
    (timer,) = properties["triggers"]
    assert (timer["triggerType"], timer["triggerConfig"]["cronExpression"]) == ("timer", "@every 1m")
    assert {line.partition(":")[0].strip() for line in text.splitlines() if line.endswith("# <<<")} >= {"role", "vpcId"}
    requirements = (made.folder / "layer" / "requirements.txt").read_text(encoding="utf-8")
    assert "dbos==" in requirements
    assert requirements.count("--hash=sha256:") > 100


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"database": "sqlite:///c.db"},
            r"settings\.yaml:\d+: database: a function needs postgresql://, because SQLite",
        ),
        ({"database": "postgresql://heal:secret@db/c"}, r"the password would be in the package"),
        ({"extensions": {"folders": ["."]}}, r"declares no playbook|is not below the folder"),
        ({"accounts": [], "logs": [LOG]}, r"settings\.yaml:\d+: accounts: there are none(.|\n)*cloudheal run"),
    ],
    ids=["sqlite", "password", "folder", "logs only"],
)
def test_what_a_function_cannot_run_is_not_packed(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """The mistake is told at the desk, by its line, and not by the first event at night."""
    with pytest.raises(SettingsError, match=said) as told:
        package_function(written(tmp_path, **changes), tmp_path / "out")
    assert "secret" not in str(told.value)
    assert not (tmp_path / "out" / "code.zip").exists()
