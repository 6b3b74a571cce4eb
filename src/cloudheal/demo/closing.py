"""The closing report: what the evening came to, counted in the engine's record and in the cloud's own journal.

Both must agree with the scenes: every verdict, every heal, every start that the cloud really made; every event that
the cloud delivered must be on record, once; nobody else may have been touched; and what was to go wrong must have: an
evening without throttling, doubled events, an unreadable message and a killed engine has shown nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from cloudheal.demo.scenes import ON_TENCENT, SCENES, Scene
from cloudheal.demo.view import COLOURS, Picture, Standing
from cloudheal.drills.stage.simulator import SimulatedCloud
from cloudheal.drills.stage.tencent_fleet import PROCESS

#: How each cloud writes that a server begins to start.
_STARTS = (("Stopped", "Starting"), ("STOPPED", "STARTING"))
PING = "cvm:ErrorEvent:PingUnreachable"
#: So many messages of the evening cannot be read.
POISONED = 1


@dataclass(frozen=True, slots=True)
class Outage:
    """What one outage of the second cloud came to, as that cloud shows it: alarms, and whether the process is back."""

    name: str
    alarms: int
    incidents: int
    is_back: bool
    seconds: float

    @property
    def right(self) -> bool:
        """True when it is as an operator would tick it off."""
        return (self.alarms, self.incidents, self.is_back) == (2, 1, True)

    def told(self) -> dict[str, object]:
        """Return what people are told."""
        parts = {"alarms": self.alarms, "incidents": self.incidents, "seconds": self.seconds}
        return {"name": self.name, **parts, "back": "\u2713" if self.is_back else "\u2717"}


@dataclass(frozen=True, slots=True)
class Closing:
    """The counts of the evening; `wrong` names every difference from the scenes."""

    ends: Mapping[tuple[str, str], list[str]]
    fastest: float
    slowest: float
    calls: int
    start_calls: int
    outages: tuple[Outage, ...]
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


def closing_of(cloud: SimulatedCloud, end: Picture, kills: int) -> Closing:
    """Count the evening, in which the engine was killed so often."""
    requests = cloud.control("GET", "journal?kind=request&limit=100000")["entries"]
    entries = cloud.control("GET", "journal?limit=100000")["entries"]
    changes = [change for entry in entries for change in entry.get("changes", ())]
    starts = Counter(one["id"] for one in changes if (one.get("before"), one.get("after")) in _STARTS)
    delivered = Counter(one["details"]["event"] for one in entries if "event" in one.get("details", ()))
    pushed = {one["details"]["id"] for one in entries if _is_pushed(one)}
    sent = len(delivered) + len(pushed)
    outages = tuple(_outage(scene, end, entries, _processes(cloud)) for scene in ON_TENCENT)
    nothing = Standing("nothing", "", None, 0)
    ends: dict[tuple[str, str], list[str]] = {}
    for scene in SCENES:
        standing = end.standings.get(scene.id, nothing)
        ends.setdefault((standing.verdict, standing.code), []).append(scene.name)
    orders = sum((one["what"], one.get("before")) == ("instance.status", None) for one in changes)
    throttled = sum("throttle" in entry.get("fault", "") for entry in requests)
    doubled = delivered.total() - len(delivered)
    times = [seconds for one in end.standings.values() for seconds in one.healed_in]
    return Closing(
        ends=ends,
        fastest=min(times, default=0.0),
        slowest=max(times, default=0.0),
        calls=len(requests),
        start_calls=sum(str(entry.get("action")).startswith("StartInstance") for entry in requests),
        outages=outages,
        throttled=throttled,
        doubled=doubled,
        wrong=(
            *(text for scene in SCENES for text in _differences(scene, end.standings.get(scene.id, nothing), starts)),
            *([f"{sent} events were delivered, {end.heard} recorded"] if sent != end.heard else ()),
            *(f"{one.name}: {one.told()}" for one in outages if not one.right),
            *_untouched(end, starts, orders),
            *_missing(end, throttled=throttled, doubled=doubled, kills=kills),
        ),
    )


def _untouched(end: Picture, starts: Counter[str], orders: int) -> list[str]:
    """Name whoever had an incident or was started although nothing happened to it, and orders that nobody wanted."""
    cast = {scene.id for scene in SCENES}
    replaced = sum(scene.happens == "reclaim" for scene in SCENES)
    strangers = sorted((starts.keys() | end.incidents.keys()) - cast)
    wrong = [f"{one}: {starts[one]} starts, {end.incidents.get(one, 0)} incidents, not 0" for one in strangers]
    return wrong if orders == replaced else [*wrong, f"{orders} servers ordered, not {replaced}"]


def _missing(end: Picture, *, throttled: int, doubled: int, kills: int) -> list[str]:
    """Name what was to go wrong and did not, or did too often."""
    wanted = {"throttled calls": throttled, "doubled events": doubled}
    wrong = [f"{what}: none" for what, count in wanted.items() if not count]
    counted = (("dead letters", end.dead_letters, POISONED), ("kills of the engine", kills, 1))
    return [*wrong, *(f"{what}: {count}, not {right}" for what, count, right in counted if count != right)]


def _is_pushed(entry: Mapping[str, Any]) -> bool:
    """Say whether an entry of the journal is an event of the second cloud that a rule sent to the engine."""
    return entry["kind"] == "event" and entry.get("service") == "eb" and bool(entry["details"]["rules"])


def _outage(scene: Scene, end: Picture, entries: Sequence[Mapping[str, Any]], running: Container[str]) -> Outage:
    """Count what the second cloud said of a server, and look whether its process runs there."""
    standing = end.standings.get(scene.id)
    alarms = sum(
        one.get("action") == PING and scene.id in one["resources"] for one in entries if one["kind"] == "event"
    )
    healed = standing.healed_in if standing else ()
    return Outage(scene.name, alarms, end.incidents.get(scene.id, 0), scene.id in running, sum(healed))


def _processes(cloud: SimulatedCloud) -> set[str]:
    """Return the servers of the second cloud in which the process runs, as its own world has it."""
    servers = cloud.control("GET", "world")["tencent"]["instances"]
    return {
        one["id"]
        for one in servers
        for process in (one.get("guest") or {}).get("processes", ())
        if process["name"] == PROCESS and process["running"]
    }


def _differences(scene: Scene, standing: Standing, starts: Counter[str]) -> list[str]:
    pairs = (
        ("verdict", standing.verdict, scene.verdict),
        ("code", standing.code, scene.code),
        ("heals", len(standing.healed_in), scene.heals),
        ("starts", starts[scene.id], scene.starts),
    )
    return [f"{scene.name}: {what} {found}, not {wanted}" for what, found, wanted in pairs if found != wanted]
