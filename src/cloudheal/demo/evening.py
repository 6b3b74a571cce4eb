"""The demo's evening: an engine, a fleet, and what goes wrong; the closing counts must be the ones expected.

Time is real while anything is active, and leaps to the next due time when all is idle, so four hours take two minutes
and nothing is squeezed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.live import Live

from cloudheal.demo.closing import Closing, closing_of
from cloudheal.demo.engine import Engine
from cloudheal.demo.fleet import FAULTS, QUEUE, SIZE, world
from cloudheal.demo.operator import Operator
from cloudheal.demo.scenes import END, KILLED_DURING, SCENES, Scene
from cloudheal.demo.texts import TEXTS
from cloudheal.demo.view import Picture, picture, shown
from cloudheal.drills.stage.door import free_door
from cloudheal.drills.stage.night import Night
from cloudheal.drills.stage.simulator import SimulatedCloud, StageError, simulated_cloud
from cloudheal.errors import SettingsError
from cloudheal.record.database import open_database

#: An evening takes about two minutes, on a machine with much else to do a few; longer means that something is broken.
PATIENCE_SECONDS = 600
FRAME_SECONDS = 0.2


class Evening:
    """Tells one evening on a console."""

    def __init__(self, cloud: SimulatedCloud, engine: Engine, console: Console, language: str) -> None:
        self._cloud = cloud
        self._engine = engine
        self._console = console
        self._texts = TEXTS[language]
        self._database = open_database(engine.database)
        self._operator = Operator(cloud)
        self._night = Night(cloud, self._database, self._messages, looks=False)
        self._give_up = time.monotonic() + PATIENCE_SECONDS
        self._kills = 0

    def tell(self) -> Picture:
        """Let the evening happen and return how it ended."""
        self._say("title", style="bold")
        self._say("ready", url=self._cloud.url)
        self._engine.start()
        self._until(lambda now: self._is_ready() and now.known == SIZE)
        self._say("known", count=SIZE)
        self._say("promoted", rules=" ".join(self._engine.promote()))
        self._engine.command("hold", _of("stopped_by_hand").id, "--why", self._texts["hold_reason"])
        self._say("held")
        self._cloud.control("PUT", "faults", FAULTS)
        self._cloud.control("POST", "events", {"raw": "this is not an event", "queue": QUEUE})
        with Live(console=self._console, auto_refresh=False, vertical_overflow="crop") as live:
            return self._pass(live)

    def close(self) -> None:
        """Close the database that the view reads."""
        self._database.close()

    def report(self, end: Picture) -> bool:
        """Print the closing report; True when everything came out as it must."""
        found = closing_of(self._cloud, end, self._kills)
        self._console.print()
        self._console.print(found.table(self._texts))
        for one in found.outages:
            self._say("outage", style="green" if one.right else "bold red", **one.told())
        self._say("time_to_heal", fastest=found.fastest, slowest=found.slowest)
        self._say("calls", calls=found.calls, starts=found.start_calls, throttled=found.throttled)
        self._say("records", events=end.events, doubled=found.doubled, dead=end.dead_letters)
        self._conclude(found)
        return not found.wrong

    def _conclude(self, found: Closing) -> None:
        what = "; ".join(found.wrong)
        self._say("wrong" if what else "right", style="bold red" if what else "bold green", what=what)

    def _pass(self, live: Live) -> Picture:
        """Let one scene after another happen at its time, until the evening is over and all is settled."""
        coming = sorted(SCENES, key=lambda one: one.at)

        def over(now: Picture) -> bool:
            while coming and self._night.now() >= coming[0].due:
                self._happen(live, coming.pop(0))
            self._perhaps_kill(live, now)
            if not self._night.is_idle():
                return False
            if not coming and now.settled and self._night.now() >= END:
                return True
            self._night.leap(coming[0].due if coming else END)
            return False

        return self._until(over, live)

    def _happen(self, live: Live, scene: Scene) -> None:
        at = self._night.now().astimezone(ZoneInfo("Asia/Shanghai"))
        live.console.print(f"{at:%H:%M}  {scene.name}: {self._texts[scene.happens]}", style="cyan", highlight=False)
        if scene.happens == "stopped_by_hand":
            self._operator.stop(scene.id)
            return
        if scene.happens not in {"power_off", "fail_start", "crash_loop"}:
            self._do(scene.happens, scene)
            return
        if scene.happens != "power_off":
            self._do(scene.happens, scene)
        self._cloud.control("POST", "chaos", {"do": "power_off", "instances": [scene.id]})

    def _do(self, deed: str, scene: Scene) -> None:
        self._cloud.control("POST", "chaos", {"do": deed, "instances": [scene.id], **scene.options})

    def _perhaps_kill(self, live: Live, now: Picture) -> None:
        """Kill the engine once, in the middle of its most urgent work, and start another."""
        standing = now.standings.get(KILLED_DURING)
        if self._kills or standing is None or not standing.steps or standing.verdict != "working":
            return
        self._kills += 1
        killed = self._engine.kill()
        live.console.print(self._texts["killed"].format(pid=killed), style="bold red")
        self._engine.start()

    def _until(self, enough: Callable[[Picture], bool], live: Live | None = None) -> Picture:
        """Show frame after frame until it is enough. Raises StageError when that takes too long."""
        while True:
            now = picture(self._database)
            if live is not None:
                live.update(shown(now, self._night.now(), self._texts), refresh=live.console.is_terminal)
            if enough(now):
                return now
            if time.monotonic() > self._give_up:
                message = f"after {PATIENCE_SECONDS} s: {now}\n{self._engine.log_tail()}"
                raise StageError(message)
            time.sleep(FRAME_SECONDS)

    def _messages(self) -> int:
        """Count what is on its way to the engine: in the queue, and pushed."""
        return self._operator.messages() + self._cloud.pushes()

    def _is_ready(self) -> bool:
        return "run.ready" in self._engine.log_tail(50)

    def _say(self, text: str, *, style: str = "", **facts: object) -> None:
        self._console.print(self._texts[text].format(**facts), style=style, markup=False, highlight=False)


def run_demo(*, language: str) -> int:
    """Run the demo and return an exit code: 0 when everything came out as it must."""
    if language not in TEXTS:
        message = f"language {language!r}: expected one of {', '.join(TEXTS)}"
        raise SettingsError(message)
    door = free_door()
    with tempfile.TemporaryDirectory(prefix="cloudheal-demo-") as folder, simulated_cloud(world(door)) as cloud:
        engine = Engine(Path(folder), cloud.url, language, door)
        try:
            evening = Evening(cloud, engine, Console(), language)
            try:
                return 0 if evening.report(evening.tell()) else 1
            finally:
                evening.close()
        finally:
            engine.stop()


def _of(deed: str) -> Scene:
    return next(one for one in SCENES if one.happens == deed)
