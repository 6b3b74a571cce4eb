"""A process that dies anywhere: the same scene is played with a death at each of its steps, and must end alike."""

from __future__ import annotations

from collections.abc import Callable

from cloudheal.testing.engine import Death, ReplayDiffersError
from cloudheal.testing.scene import Scene, Told


def assert_replays(scene: Callable[[], Scene]) -> int:
    """Play a scene with a death before and after the checkpoint of each step; returns how many deaths were survived.

    Every one must end with the verdicts and the actions of the undisturbed scene, each action once; what was about to
    be done when the process died may come later. Raises AssertionError that names the death. `scene` makes the scene
    anew each time.
    """
    whole = scene().play()
    deaths = [Death(step, checkpointed) for step in range(1, len(whole.steps) + 1) for checkpointed in (False, True)]
    for death in deaths:
        when = f"dead {'after' if death.checkpointed else 'before'} the checkpoint of {whole.steps[death.step - 1]!r}"
        try:
            again = scene().dying(death)
            told = again.play()
        except ReplayDiffersError as problem:
            message = f"{when}: {problem}; a playbook may decide only by what its hands read"
            raise AssertionError(message) from problem
        if again.engine.death is not None:
            raise AssertionError(f"{when}: the scene never came to that step; it must be the same each time")
        _compare(when, told, whole)
    return len(deaths)


def _compare(when: str, told: Told, whole: Told) -> None:
    codes = ({name: one.get("code") for name, one in each.evidence.items()} for each in (told, whole))
    for what, now, first in (
        ("actions", sorted(told.actions), sorted(whole.actions)),
        ("verdicts", dict(told.verdicts), dict(whole.verdicts)),
        ("codes", *codes),
    ):
        if now != first:
            raise AssertionError(f"{when}: {what} are {now}, without the death they are {first}")
