"""A scenario file says what is wrong with it, by line and field; the library is whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cloudheal.drills.files import LIBRARY, library, load_scenario, scenario_named, schema_of_files
from cloudheal.drills.scenario import Scenario
from cloudheal.errors import SettingsError

HEAD = """\
name: mine
description: {en: It works., zh: 可用。}
targets: {tags: {env: [prod]}}
steps:
"""


def problem(folder: Path, steps: str, head: str = HEAD) -> str:
    """Return what is said of a file with these steps."""
    file = folder / "mine.yaml"
    file.write_text(head + steps, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load_scenario(file)
    return str(refused.value)


@pytest.mark.parametrize(
    ("steps", "line", "said"),
    [
        ("  - run: {playbok: x}\n", 5, "steps.0.run.playbok: Extra inputs are not permitted; did you mean playbook?"),
        ("  - wait: 5m\n  - announce: {type: Reboot, in: 2h}\n  - run: {}\n", 6, "steps.1.announce.type"),
        ("  - wait: 5\n  - run: {}\n", 5, "expected a duration such as 90s"),
        ("  - wait: 5m\n    run: {}\n", 5, "expected exactly one of announce, cancel"),
        ("  - within: 5m\n", 5, "got none"),
        ("  - wait: 5m\n    within: 2m\n  - run: {}\n", 5, "belong to what is expected, not to wait"),
        ("  - never: {run: {}}\n    within: 2m\n", 5, "within says nothing"),
        ("  - never: {run: {}, event: {}}\n", 5, "got event and run"),
        ("  - verdict: {healed: perhaps}\n", 5, "steps.0.verdict.healed"),
        ("  - wait: 5m\n", 4, "a drill that cannot fail proves nothing"),
        ("  - run: {}\nfails_at: nowhere\n", 1, "no step is called 'nowhere'"),
        ("  - run: {}\nstage: {now: 2026-02-30T10:00:00Z}\n", 6, "not YAML: 2026-02-30T10:00:00Z: day is out of range"),
    ],
)
def test_a_mistake_is_told_by_line_and_field(steps: str, line: int, said: str, tmp_path: Path) -> None:
    """Whoever wrote the file finds the line, the field and what was expected there."""
    text = problem(tmp_path, steps)
    assert f"mine.yaml:{line}: " in text
    assert said in text


def test_a_file_that_is_nested_without_end_is_told(tmp_path: Path) -> None:
    """It is refused by its name, and never with a traceback."""
    assert "mine.yaml: not YAML: " in problem(tmp_path, "[" * 20_000, head="")


def test_a_file_that_is_not_there_and_a_name_that_is_unknown_are_told(tmp_path: Path) -> None:
    """A misspelt name leads to the names there are."""
    with pytest.raises(SettingsError, match="No such file"):
        scenario_named(str(tmp_path / "none.yaml"))
    with pytest.raises(SettingsError, match=r"no scenario is called 'reboot'.*maintenance-reboot-handled"):
        scenario_named("reboot")


def test_a_step_is_called_by_its_name_or_by_what_it_says() -> None:
    """Reports name steps that nobody named."""
    document = {
        "name": "x",
        "description": {"en": "x", "zh": "演"},
        "targets": {"all": True},
        "steps": [
            {"announce": {"type": "SystemMaintenance.Stop", "in": "2h"}},
            {"wait": "90s"},
            {"cancel": True},
            {"handler": "kill"},
            {"faults": [{"fault": "lost-event"}, {"fault": {"kind": "throttle"}}]},
            {"publish": {"name": "Instance:StateChange"}},
            {"chaos": {"do": "hang"}},
            {"never": {"call": {"action": "StopInstance"}}},
            {"name": "it is told", "question": {}},
        ],
    }
    assert [one.title for one in Scenario.model_validate(document).steps] == [
        "announce type=SystemMaintenance.Stop in=2h",
        "wait 1m30s",
        "cancel",
        "handler kill",
        "faults lost-event throttle",
        "publish Instance:StateChange",
        "chaos do=hang",
        "never call action=StopInstance",
        "it is told",
    ]


def test_the_library_is_named_by_its_files_and_told_in_both_languages() -> None:
    """At least ten scenarios come with the package; each is found by its name and says what it shows."""
    found = library()
    assert len(found) >= 10
    assert [one.name for one in found] == sorted(one.stem for one in LIBRARY.glob("*.yaml"))
    for one in found:
        assert re.search(r"[\u4e00-\u9fff]", one.description.zh), one.name
        assert not re.search(r"[\u4e00-\u9fff]", one.description.en), one.name
        assert scenario_named(one.name) == one


def test_the_schema_names_every_step() -> None:
    """An editor that knows the schema offers each kind of step."""
    document = json.loads(json.dumps(schema_of_files()))
    assert {"announce", "chaos", "event", "never", "verdict"} <= set(document["$defs"]["Step"]["properties"])
