"""Extensions are found by one door, checked before anything runs, and refused by file and line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloudheal.act.library import Library, library_of
from cloudheal.act.playbook import Playbook
from cloudheal.app import extensions_of, rules_of
from cloudheal.errors import SettingsError
from cloudheal.plugins import in_folder, of_kind
from cloudheal.sense.triggers import TRIGGERS
from cloudheal.settings import load_settings
from cloudheal.settings.schema import Settings

MINE = '''
"""A playbook of a user."""

from pydantic import BaseModel

from cloudheal.extend import Case, End, Hands, Healed, Playbook, Risk, Trigger


class Nothing(BaseModel):
    """No parameters."""


def tell(case: Case, hands: Hands) -> End:
    return End(Healed.HEALED, "told")


TELL = Playbook(
    name="tell", troubles=("disk_slow",), parameters=Nothing, verbs=("servers",), reversible=True, run=tell,
    summary="Tells.", risk=Risk.LOW, triggers=(Trigger("disk_slow", "Disk:Slow", id_field="eventId"),),
)
'''
ACCOUNT = {"name": "a", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"]}
Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write files into `mine` and a settings file beside it, and read that."""

    def write(files: dict[str, str], **more: Any) -> Settings:
        (tmp_path / "mine").mkdir()
        for name, text in files.items():
            (tmp_path / "mine" / name).write_text(text, encoding="utf-8")
        document = {"accounts": [ACCOUNT], "extensions": {"folders": ["mine"]}, **more}
        (tmp_path / "c.yaml").write_text(str(document), encoding="utf-8")
        return load_settings(tmp_path / "c.yaml")

    return write


def test_a_file_in_a_folder_beside_the_settings_becomes_a_playbook(load: Load) -> None:
    """Rules name it, its parameters are checked, and its trigger opens a trouble that nothing else knows."""
    rule = {"name": "r", "when": {"type": ["Disk:Slow"]}, "resources": {"all": True}, "playbook": "tell"}
    settings = load({"tell.py": MINE, "_notes.py": "this is not Python"}, rules=[rule])
    extensions = extensions_of(settings)
    assert {"restart_stopped", "spot_evacuate", "tell"} <= extensions.library.playbooks.keys()
    assert extensions.library.found["tell"].origin.endswith("mine/tell.py")
    assert list(rules_of(settings).rules) == ["r"]
    wrong = Settings.model_validate(settings.model_dump() | {"rules": [{**rule, "with": {"x": 1}, "playbook": "tel"}]})
    with pytest.raises(SettingsError, match=r"no playbook 'tel'; known are .*tell"):
        rules_of(wrong)


def test_the_digest_is_that_of_what_was_loaded(load: Load) -> None:
    """A file that is changed under a running process does not change what that process says it runs."""
    settings = load({"tell.py": MINE})
    playbook = extensions_of(settings).library.playbooks["tell"]
    before = playbook.digest
    Path(settings.extensions.folders[0], "tell.py").write_text(MINE + "\nMORE = 1\n", encoding="utf-8")
    assert playbook.digest == before


def test_a_playbook_made_of_a_part_of_a_function_changes_with_its_file(load: Load, tmp_path: Path) -> None:
    """One function may stand behind several playbooks; its file is their source, whatever wraps it."""
    text = f"from functools import partial\n{MINE}".replace("run=tell", "run=partial(tell)")
    settings = load({"tell.py": text})
    before = extensions_of(settings).library.playbooks["tell"].digest
    other = tmp_path / "other"
    other.mkdir()
    (other / "tell.py").write_text(text.replace('"told"', '"changed"'), encoding="utf-8")
    changed = load_extensions(other)
    assert changed.playbooks["tell"].digest != before


def test_a_file_of_the_same_size_and_time_is_read_anew(tmp_path: Path) -> None:
    """What runs is what stands in the file, also where a deployment gives all files one time."""
    folder = tmp_path / "dated"
    folder.mkdir()
    for word in ("told", "gone"):
        (folder / "tell.py").write_text(MINE.replace('"told"', f'"{word}"'), encoding="utf-8")
        os.utime(folder / "tell.py", (1_700_000_000, 1_700_000_000))
        playbook = load_extensions(folder).playbooks["tell"]
        run: Any = playbook.run
        assert run(None, None).code == word


def load_extensions(folder: Path) -> Library:
    """Find what a folder holds, as another process would."""
    return library_of(of_kind(in_folder(folder), Playbook), TRIGGERS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ny = x +\n", r"mine/p\.py:2: SyntaxError"),
        ("import math\n\nmath.nothing()\n", r"mine/p\.py:3: AttributeError"),
        ("def f():\n    raise SystemExit(3)\nf()\n", r"mine/p\.py:2: SystemExit"),
        ("import no_such_module\n", r"mine/p\.py:1: ModuleNotFoundError"),
        ("X = 1\n", r"mine/p\.py declares no playbook and no listeners"),
        (MINE.replace('"servers"', '"fly"'), r"mine/p\.py: playbook tell: no cloud has the verbs fly; known are add"),
        (MINE.replace('("disk_slow",), p', '("disk_dead",), p'), r"playbook tell: nothing opens disk_dead: declare"),
        (MINE.replace('name="tell"', 'name="Tell it"'), r"its name must be lower case"),
        (MINE.replace('troubles=("disk_slow",)', "troubles=()"), r"names no troubles"),
        (MINE.replace('name="tell"', 'name="spot_evacuate"'), r"two extensions are named spot_evacuate: in cloudheal"),
        (
            MINE.replace('"disk_slow", "Disk:Slow"', '"disk_slow", "Instance:StateChange"'),
            r"Instance:StateChange opens the trouble stopped already",
        ),
        (MINE.replace('Trigger("disk_slow"', 'Trigger("Disk slow"'), r"a trouble's name|nothing opens"),
        (MINE.replace('name="tell"', "name=None"), r"mine/p\.py: playbook None: its name must be lower case"),
        (MINE.replace("run=tell", "run=None"), r"playbook tell: run must be a function of a case and its hands"),
        (MINE.replace("(case: Case, hands: Hands)", "(case: Case)"), r"run must be a function of a case and its hands"),
        (MINE.replace("def tell", "async def tell"), r"run must be a function of a case and its hands"),
        (MINE.replace("parameters=Nothing", "parameters={}"), r"parameters must be a class made of pydantic"),
        (MINE.replace('verbs=("servers",)', 'verbs=("servers")'), r"verbs must be a tuple: one alone is written"),
        (MINE.replace('("disk_slow",), p', '("disk_slow"), p'), r"troubles must be a tuple: one alone"),
        (MINE.replace('"eventId"),)', '"eventId"))'), r"triggers must be a tuple: one alone"),
        (MINE.replace("run=tell", "run=tell, parts=(Nothing)"), r"parts must be a tuple: one alone"),
    ],
    ids=lambda text: text[:24].strip().replace("\n", " "),
)
def test_what_cannot_be_used_is_refused_by_file_and_line(load: Load, text: str, said: str) -> None:
    """The operator reads which line to mend."""
    settings = load({"p.py": text})
    with pytest.raises(SettingsError, match=said):
        extensions_of(settings)


def test_nothing_of_a_file_that_failed_stays_loaded(load: Load) -> None:
    """Half a module is nowhere to be found afterwards."""
    with pytest.raises(SettingsError):
        extensions_of(load({"halfway.py": "X = 1\nraise ValueError(X)\n"}))
    assert not [name for name in sys.modules if name.endswith("_halfway")]


def test_a_folder_that_is_not_there_is_told_by_its_place_in_the_settings(tmp_path: Path) -> None:
    """The error knows which entry of the list is meant."""
    settings = Settings.model_validate({"accounts": [ACCOUNT], "extensions": {"folders": [str(tmp_path / "none")]}})
    with pytest.raises(SettingsError, match="is not a folder") as told:
        extensions_of(settings)
    assert told.value.field == ("extensions", "folders", 0)


def test_installed_packages_bring_playbooks_until_told_not_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point is loaded like a file; one that cannot be is told by its package, and may be switched off."""
    (tmp_path / "ours.py").write_text(MINE, encoding="utf-8")
    info = tmp_path / "ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    points = info / "entry_points.txt"
    points.write_text("[cloudheal.playbooks]\ntell = ours:TELL\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "empty"
    folder.mkdir()

    def settings(*, packages: bool, folders: int = 1) -> Settings:
        names = [str(folder)] * folders  # another list is another installation, as far as the cache goes
        return Settings.model_validate({"accounts": [ACCOUNT], "extensions": {"packages": packages, "folders": names}})

    found = extensions_of(settings(packages=True)).library.found["tell"]
    assert found.origin == "package ours, entry point tell"
    assert "tell" not in extensions_of(settings(packages=False)).library.playbooks
    points.write_text("[cloudheal.playbooks]\ntell = ours:NOTHING\n")
    with pytest.raises(SettingsError, match=r"package ours, entry point tell: ours:NOTHING cannot be loaded"):
        extensions_of(settings(packages=True, folders=2))
