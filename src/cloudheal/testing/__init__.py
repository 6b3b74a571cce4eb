"""For authors of playbooks: a virtual clock, a cloud that behaves, and "given events, expect actions".

    def scene() -> Scene:
        cloud = FakeCloud()
        web = cloud.server("i-web", tags={"env": "prod"})
        return Scene(cloud, rules=[RULE], playbooks=[MINE], events=[cloud.power_off(web)])

    def test_it_is_started() -> None:
        told = scene().play()
        assert told.actions == ["start i-web"]
        assert told.verdicts == {"i-web": "healed"}

    def test_a_crash_anywhere_does_no_harm() -> None:
        assert_replays(scene)

Events, rules, guards, tables and verdicts are the real ones, on a SQLite file that is removed afterwards; only time and
the cloud are not. Nothing leaves the process, and hours of waiting take milliseconds.
"""

from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.cloud import FakeCloud
from cloudheal.testing.crash import assert_replays
from cloudheal.testing.messages import message
from cloudheal.testing.scene import Scene, Told, UndeclaredVerbError

__all__ = ["FakeCloud", "Scene", "Told", "UndeclaredVerbError", "VirtualClock", "assert_replays", "message"]
