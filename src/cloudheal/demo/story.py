"""The demo's scenes, one after another; each prints what happened and fails when it did not."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.table import Table

from cloudheal.demo.fleet import SPOT, STOPPED
from cloudheal.demo.operator import Operator, clock_time
from cloudheal.demo.simulator import DemoError, SimulatedCloud, simulated_cloud
from cloudheal.demo.texts import TEXTS
from cloudheal.errors import SettingsError


class Story:
    """Tells the outage on a console, at a pace that people can follow."""

    def __init__(self, cloud: SimulatedCloud, console: Console, language: str, pace: float) -> None:
        self._cloud = cloud
        self._console = console
        self._texts = TEXTS[language]
        self._pace = pace
        self._operator = Operator(cloud)

    def tell(self) -> int:
        """Walk through the outage; returns the number of calls made."""
        self._say("title", style="bold")
        self._say("ready", url=self._cloud.url)
        self._show_fleet()
        self._lose_power()
        seconds = self._heal()
        self._say("healed", style="bold green", seconds=seconds)
        self._leave_balancer()
        return self._close()

    def _lose_power(self) -> None:
        self._scene("outage")
        self._cloud.control("POST", "chaos", {"do": "power_off", "instances": [STOPPED]})
        self._began = time.monotonic()
        self._show_events("Stopped", STOPPED)
        self._scene("look")
        server = self._operator.server(STOPPED)
        locks = ", ".join(lock.lock_reason for lock in server.operation_locks.lock_reason)
        self._say("locks", state=server.status, locks=locks or self._texts["none"])
        _demand(server.status == "Stopped", f"{STOPPED} is {server.status}, expected Stopped")

    def _heal(self) -> float:
        self._scene("act", request=self._operator.start(STOPPED))
        self._scene("verify")
        self._show_events("Running", STOPPED)
        status = self._operator.server(STOPPED).status
        _demand(status == "Running", f"{STOPPED} is {status}, expected Running")
        return time.monotonic() - self._began

    def _leave_balancer(self) -> None:
        self._scene("reclaim")
        self._cloud.control("POST", "chaos", {"do": "reclaim", "instances": [SPOT]})
        self._show_events("Instance:PreemptibleInstanceInterruption", SPOT)
        self._scene("drain")
        drained = self._operator.drain(SPOT)
        self._say("members", members=_members(drained))
        _demand(drained.get(SPOT) == 0, f"{SPOT} still has weight {drained.get(SPOT)}")
        left = self._operator.remove(SPOT)
        self._say("members", members=_members(left))
        _demand(SPOT not in left, f"{SPOT} is still in the balancer")

    def _close(self) -> int:
        entries = self._cloud.control("GET", "journal?since=0&limit=100000")["entries"]
        calls: int = sum(entry["kind"] == "request" for entry in entries)
        changes = sum(len(entry.get("changes", ())) for entry in entries)
        self._show_fleet()
        self._say("closing", calls=calls, changes=changes)
        self._say("next")
        return calls

    def _show_fleet(self) -> None:
        table = Table(title=self._texts["fleet"], title_justify="left")
        for column in ("server", "state", "charge", "weight"):
            table.add_column(self._texts[column])
        weights = self._operator.backends()
        for server in self._operator.servers():
            charge = "spot" if server.spot_strategy not in {None, "", "NoSpot"} else "payg"
            weight = str(weights.get(server.instance_id, "-"))
            table.add_row(f"{server.instance_name} ({server.instance_id})", server.status, self._texts[charge], weight)
        self._console.print(table)

    def _show_events(self, wanted: str, id_: str) -> None:
        for event in self._operator.events(wanted, id_):
            self._console.print(f"   {clock_time(event)}  {self._texts['event']}: {_summary(event)}", markup=False)

    def _scene(self, text: str, **facts: object) -> None:
        time.sleep(self._pace)
        self._console.print()
        self._say(text, style="bold cyan", **facts)

    def _say(self, text: str, *, style: str = "", **facts: object) -> None:
        self._console.print(self._texts[text].format(**facts), style=style, markup=False, highlight=False)


def run_demo(*, pace: float, language: str) -> int:
    """Run the demo and return an exit code. Raises DemoError when a step does not come out."""
    if language not in TEXTS:
        message = f"language {language!r}: expected one of {', '.join(TEXTS)}"
        raise SettingsError(message)
    with simulated_cloud() as cloud:
        Story(cloud, Console(), language, pace).tell()
    return 0


def _summary(event: dict[str, Any]) -> str:
    content = event["content"]
    about = content.get("resourceId") or content.get("instanceId")
    return f"{event['name']} {content.get('state') or content.get('action')} {about}"


def _members(weights: dict[str, int]) -> str:
    return ", ".join(f"{id_}={weight}" for id_, weight in weights.items())


def _demand(holds: bool, message: str) -> bool:  # noqa: FBT001 - reads as the condition it is
    if not holds:
        raise DemoError(message)
    return holds
