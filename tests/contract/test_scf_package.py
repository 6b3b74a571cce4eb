"""The package for SCF: its bootstrap runs as a process, takes calls from the runtime's API and tells how they ended."""

from __future__ import annotations

import stat
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudheal.app.packaging import package_function
from cloudheal.clouds.tencent.runtime import RuntimeApiError, serve
from cloudheal.errors import SettingsError
from cloudheal.ports import SystemClock
from cloudheal.record.database import open_database
from cloudheal.record.promotions import promote
from cloudheal.record.schema import migrate
from cloudheal.record.tables import DEAD_LETTER, EVENT, INCIDENT, RUN
from cloudheal.settings import load_settings
from tests.contract.scf import KEYS, instance, serving, unpacked
from tests.contract.test_function import ACCOUNT as OTHER_ACCOUNT
from tests.contract.test_function import rows
from tests.sim.simulator import RunningSimulator

ACCOUNT, WEB = "100000000001", "ins-web00001"
RULE: dict[str, Any] = {
    "name": "ping",
    "when": {"source": ["tencent.cvm"], "type": ["cvm:ErrorEvent:PingUnreachable"]},
    "resources": {"all": True},
    "desired": "on",
    "playbook": "restore_after_ping_loss",
    "with": {"command": "true"},
    "mode": "auto",
}
TIMER = {"Type": "Timer", "TriggerName": "minute", "Time": "2026-03-02T03:01:00Z", "Message": ""}
RESPONSE, ERROR = "/runtime/invocation/response", "/runtime/invocation/error"
NOWHERE = "http://127.0.0.1:9"
NOTHING = {"new": 0, "duplicates": 0, "dead": 0, "acting": 0}


def lost(id_: str, type_: str = "cvm:ErrorEvent:ping_unreachable") -> dict[str, Any]:
    """Return the event of a lost ping, now, as EventBridge hands it over."""
    return {
        "specversion": "1.0", "id": id_, "source": "cvm.cloud.tencent", "type": type_, "subject": WEB,
        "time": int(time.time() * 1000), "region": "ap-guangzhou", "status": "1",
        "data": {"appId": ACCOUNT, "instanceId": WEB},
    }  # fmt: skip


def written(folder: Path, **changes: Any) -> Path:
    """Write a settings file as somebody has it who wants a function of SCF."""
    keys = dict(zip(("access_key_id_env", "access_key_secret_env"), KEYS, strict=True))
    account = {"name": "a", "cloud": "tencent", "id": ACCOUNT, "regions": ["ap-guangzhou"], **keys}
    document = {
        "accounts": [account | changes.pop("account", {}), *changes.pop("more", [])],
        "database": "postgresql://heal@db.internal/cloudheal",
        "rules": [RULE],
        **changes,
    }
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def deployed(folder: Path, database_url: str, **changes: Any) -> Path:
    """Package settings for a database in which its rules are trusted, and unpack the package."""
    config = written(folder, database=database_url, **changes)
    package_function(config, folder / "out")
    database = open_database(database_url)
    migrate(database)
    with database.transaction() as connection:
        promote(connection, load_settings(config).rules, "test", SystemClock().now())
    database.close()
    return unpacked(folder / "out" / "code.zip", folder / "code")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_calls_are_committed_and_answered_and_what_fails_is_told(tmp_path: Path, database_url: str) -> None:
    """An event, a list, nonsense and the timer are answered by one process, before and after a call that fails."""
    code = deployed(tmp_path, database_url, account={"endpoint": NOWHERE})
    with instance(code, HTTP_PROXY=NOWHERE, http_proxy=NOWHERE) as platform:
        first = platform.call(lost("e1")).document
        assert first == {**NOTHING, "new": 1, "acting": 1}, rows(database_url, DEAD_LETTER)
        both = platform.call({"EventList": [lost("e1"), lost("e2", "cvm:ErrorEvent:GuestOom")]})
        assert (both.path, both.document) == (RESPONSE, {**NOTHING, "new": 1, "duplicates": 1})
        assert platform.call(b"\xff no event").document == {**NOTHING, "dead": 1}
        assert platform.call(TIMER).document == NOTHING
        settings = (code / "cloudheal.yaml").read_text(encoding="utf-8")
        (code / "cloudheal.yaml").write_text(settings.replace(database_url, "sqlite:///c.db"), encoding="utf-8")
        refused = platform.call(lost("e3"))
        assert (refused.path, refused.document["errorType"]) == (ERROR, "SettingsError")
        assert "needs postgresql://, because SQLite's file ends" in refused.document["errorMessage"]
        (code / "cloudheal.yaml").write_text(settings, encoding="utf-8")
        assert platform.call(lost("e3"), time_limit_in_ms="soon").document["new"] == 1
    assert sorted(row.type for row in rows(database_url, EVENT)) == [
        "cvm:ErrorEvent:GuestOom",
        *["cvm:ErrorEvent:PingUnreachable"] * 2,
    ]
    assert len(rows(database_url, DEAD_LETTER)) == 1
    assert [row.state for row in rows(database_url, RUN)] == ["starting"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_call_ends_before_its_limit_and_the_timer_goes_on(
    tmp_path: Path, database_url: str, simulator: RunningSimulator
) -> None:
    """Ten seconds before what `time_limit_in_ms` says it gives its run up; the timer's call ends it, with one start."""
    simulator.control("POST", "reset")
    simulator.world({"tencent": {"instances": [{"id": WEB, "status": "STOPPED"}], "durations": {"starting": 5}}})
    code = deployed(
        tmp_path, database_url, account={"endpoint": simulator.url}, function={"act": "inline"}, lease_seconds=1
    )
    with instance(code) as platform:
        began = time.monotonic()
        assert platform.call(lost("e1"), seconds=13).document["acting"] == 1
        assert time.monotonic() - began < 13
        (left,) = rows(database_url, INCIDENT)
        assert left.ended is None
        for _ in range(20):  # one is enough, unless the first call was cut off while the cloud was asked to start it
            assert platform.call(TIMER, seconds=40).document == NOTHING
            if rows(database_url, INCIDENT)[0].ended:
                break
    (healed,) = rows(database_url, INCIDENT)
    assert (healed.id, healed.verdict) == (left.id, "healed")
    assert len(simulator.journal(action="StartInstances")) == 1
    assert len(simulator.journal(action="RunCommand")) == 1


def test_the_package_holds_an_executable_bootstrap_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entrance, product and settings are in it, no value of the environment; the same input makes the same bytes."""
    for name in KEYS:
        monkeypatch.setenv(name, "do-not-pack-me")
    config = written(tmp_path)
    made = package_function(config, tmp_path / "out")
    assert made.variables == (*KEYS, "PGPASSWORD")
    assert made.beside == ("serverless.yml", "README.txt", "layer/requirements.txt")
    code = made.folder / "code.zip"
    with zipfile.ZipFile(code) as archive:
        modes = {one.filename: stat.filemode(one.external_attr >> 16) for one in archive.infolist()}
        contents = b"".join(archive.read(name) for name in modes)
    assert (modes["bootstrap"], modes["index.py"]) == ("-rwxr-xr-x", "-rw-r--r--")
    assert modes.keys() >= {"cloudheal.yaml", "cloudheal/function.py", "cloudheal/clouds/tencent/runtime.py"}
    beside = b"".join((made.folder / name).read_bytes() for name in made.beside)
    assert b"do-not-pack-me" not in contents + beside
    first = code.read_bytes()
    package_function(config, tmp_path / "out")
    assert code.read_bytes() == first


def test_the_description_is_that_of_the_settings(tmp_path: Path) -> None:
    """A custom runtime with the layer, limits for acting inline, a timer each minute, and names of variables only."""
    made = package_function(written(tmp_path, function={"act": "inline"}), tmp_path / "out")
    text = (made.folder / "serverless.yml").read_text(encoding="utf-8")
    inputs = yaml.safe_load(text)["inputs"]
    assert (inputs["name"], inputs["type"], inputs["runtime"]) == ("cloudheal", "event", "CustomRuntime")
    assert (inputs["handler"], inputs["timeout"], inputs["memorySize"]) == ("index.main_handler", 300, 512)
    assert inputs["environment"]["variables"]["CLOUDHEAL_SECRET_KEY"] == "${env.CLOUDHEAL_SECRET_KEY}"
    (trigger,) = inputs["events"]
    assert trigger["timer"]["parameters"]["cronExpression"] == "0 */1 * * * * *"
    marked = {line.partition(":")[0].strip(" -") for line in text.splitlines() if line.endswith("# <<<")}
    assert marked == {"role", "version", "vpcId", "subnetId"}
    readme = (made.folder / "README.txt").read_text(encoding="utf-8")
    assert "glibc 2.17" in readme
    assert "--require-hashes" in readme


def test_the_role_of_the_function_may_hold_the_keys(tmp_path: Path) -> None:
    """Its variables are there by themselves, so that nobody has to set them."""
    names = ("TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_SESSIONTOKEN")
    fields = ("access_key_id_env", "access_key_secret_env", "token_env")
    config = written(tmp_path, account=dict(zip(fields, names, strict=True)))
    assert package_function(config, tmp_path / "out").variables == ("PGPASSWORD",)


ALIBABA = {"name": "b", "cloud": "alibaba", "id": OTHER_ACCOUNT, "regions": ["cn-hangzhou"]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"database": "sqlite:///c.db"}, r"database: a function needs postgresql://, because SQLite"),
        ({"database": "postgresql://heal:secret@db/c"}, r"database: the password would be in the package"),
        ({"account": {"access_key_id_env": ""}}, r"accounts: TENCENTCLOUD_SECRET_ID cannot be set"),
        ({"notify": {"targets": [{"name": "chat", "url_env": "SCF_CHAT"}]}}, r"notify: SCF_CHAT cannot be set"),
        ({"more": [ALIBABA]}, r"accounts: they are of both clouds(.|\n)*a settings file for each cloud"),
    ],
    ids=["sqlite", "password", "reserved key", "reserved target", "both clouds"],
)
def test_what_scf_cannot_run_is_not_packed(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """The mistake is told at the desk, by its line, and not by the first event at night."""
    with pytest.raises(SettingsError, match=rf"settings\.yaml:\d+: {said}"):
        package_function(written(tmp_path, **changes), tmp_path / "out")
    assert not (tmp_path / "out" / "code.zip").exists()


def unasked(*_: object) -> str:
    """Stand for a function that is never called."""
    raise AssertionError


def test_the_loop_ends_when_the_platform_does_not_answer_as_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform starts another instance then; whoever starts one by hand is told what would have to be there."""
    with pytest.raises(RuntimeApiError, match="SCF_RUNTIME_API and SCF_RUNTIME_API_PORT do not name an address"):
        serve(unasked)
    with serving() as (platform, port):
        monkeypatch.setenv("SCF_RUNTIME_API", "127.0.0.1")
        monkeypatch.setenv("SCF_RUNTIME_API_PORT", str(port))
        platform.calls.put(None)
        with pytest.raises(RuntimeApiError, match="GET /runtime/invocation/next was answered with 404"):
            serve(unasked)
        assert platform.ready.is_set()
