"""The closing report: what the evening came to, counted in the engine's record and in the cloud's own journal.

Both must agree with the scenes: every verdict, every heal, every start that the cloud really made; and every event that
the cloud delivered must be on record, once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table

from cloudheal.demo.scenes import SCENES, Scene
from cloudheal.demo.view import COLOURS, Picture, Standing
from cloudheal.drills.stage.simulator import SimulatedCloud


@dataclass(frozen=True, slots=True)
class Closing:
    """The counts of the evening; `wrong` names every difference from the scenes."""

    ends: Mapping[tuple[str, str], list[str]]
    fastest: float
    slowest: float
    calls: int
    start_calls: int
    throttled: int
    doubled: int
    wrong: tuple[str, ...]

    def table(self, texts: Mapping[str, str]) -> Table:
        """Draw how many servers ended how, and why."""
        table = Table(title=texts["closing"], title_justify="left")
        for column in ("stands", "because", "servers"):
            table.add_column(texts[column])
        for (verdict, code), names in sorted(self.ends.items()):
            table.add_row(texts[verdict], code, ", ".join(names), style=COLOURS.get(verdict, ""))
        return table


def closing_of(cloud: SimulatedCloud, end: Picture) -> Closing:
    """Count the evening."""
    requests = cloud.control("GET", "journal?kind=request&limit=100000")["entries"]
    entries = cloud.control("GET", "journal?limit=100000")["entries"]
    changes = [change for entry in entries for change in entry.get("changes", ())]
    starts = Counter(one["id"] for one in changes if one.get("before") == "Stopped" and one.get("after") == "Starting")
    delivered = Counter(one["details"]["event"] for one in entries if one["kind"] == "delivery")
    nothing = Standing("nothing", "", None, 0)
    ends: dict[tuple[str, str], list[str]] = {}
    for scene in SCENES:
        standing = end.standings.get(scene.id, nothing)
        ends.setdefault((standing.verdict, standing.code), []).append(scene.name)
    times = [seconds for one in end.standings.values() for seconds in one.healed_in]
    return Closing(
        ends=ends,
        fastest=min(times, default=0.0),
        slowest=max(times, default=0.0),
        calls=len(requests),
        start_calls=sum(entry.get("action") == "StartInstance" for entry in requests),
        throttled=sum("throttle" in entry.get("fault", "") for entry in requests),
        doubled=delivered.total() - len(delivered),
        wrong=(
            *(text for scene in SCENES for text in _differences(scene, end.standings.get(scene.id, nothing), starts)),
            *([f"{len(delivered)} events were delivered, {end.heard} recorded"] if len(delivered) != end.heard else ()),
        ),
    )


def _differences(scene: Scene, standing: Standing, starts: Counter[str]) -> list[str]:
    pairs = (
        ("verdict", standing.verdict, scene.verdict),
        ("code", standing.code, scene.code),
        ("heals", len(standing.healed_in), scene.heals),
        ("starts", starts[scene.id], scene.starts),
    )
    return [f"{scene.name}: {what} {found}, not {wanted}" for what, found, wanted in pairs if found != wanted]
