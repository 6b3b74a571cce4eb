"""The demo's evening: an engine, a fleet, and what goes wrong; the closing counts must be the ones expected."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.live import Live

from cloudheal.demo.engine import Engine
from cloudheal.demo.fleet import FAULTS, QUEUE, SCENES, SIZE
from cloudheal.demo.operator import Operator
from cloudheal.demo.simulator import DemoError, SimulatedCloud, simulated_cloud
from cloudheal.demo.texts import TEXTS
from cloudheal.demo.view import Picture, picture, shown
from cloudheal.errors import SettingsError
from cloudheal.record.database import open_database

#: An evening takes well under a minute; longer means that something is broken.
PATIENCE_SECONDS = 150
FRAME_SECONDS = 0.25


class Evening:
    """Tells one evening on a console."""

    def __init__(self, cloud: SimulatedCloud, engine: Engine, console: Console, language: str) -> None:
        self._cloud = cloud
        self._engine = engine
        self._console = console
        self._texts = TEXTS[language]
        self._database = open_database(engine.database)
        self._give_up = time.monotonic() + PATIENCE_SECONDS

    def tell(self) -> Picture:
        """Let the evening happen and return how it ended."""
        self._say("title", style="bold")
        self._say("ready", url=self._cloud.url)
        self._engine.start()
        self._until(lambda now: self._is_ready() and now.known == SIZE)
        self._say("known", count=SIZE)
        self._say("promoted", rules=" ".join(self._engine.promote()))
        self._engine.command("hold", self._of("stopped_by_hand"), "--why", self._texts["hold_reason"])
        self._say("held")
        with Live(shown(picture(self._database), self._texts), console=self._console, auto_refresh=False) as live:
            self._happen(live)
            return self._watch(live, lambda now: now.settled and now.dead_letters > 0)

    def _happen(self, live: Live) -> None:
        self._cloud.control("PUT", "faults", FAULTS)
        self._cloud.control("POST", "events", {"raw": "this is not an event", "queue": QUEUE})
        for deed in ("fail_start", "expire", "power_off", "reclaim"):
            ids = [one.id for one in SCENES if one.happens == deed]
            self._cloud.control("POST", "chaos", {"do": deed, "instances": ids})
        self._cloud.control("POST", "chaos", {"do": "power_off", "instances": [self._of("fail_start")]})
        Operator(self._cloud).stop(self._of("stopped_by_hand"))
        self._watch(live, lambda now: any(one.steps for one in now.standings.values()))
        killed = self._engine.kill()
        live.console.print(self._texts["killed"].format(pid=killed), style="bold red")
        self._engine.start()

    def _watch(self, live: Live, enough: Callable[[Picture], bool]) -> Picture:
        return self._until(enough, live)

    def _until(self, enough: Callable[[Picture], bool], live: Live | None = None) -> Picture:
        """Show frame after frame until it is enough. Raises DemoError when that takes too long."""
        while True:
            now = picture(self._database)
            if live is not None:
                live.update(shown(now, self._texts), refresh=True)
            if enough(now):
                return now
            if time.monotonic() > self._give_up:
                message = f"after {PATIENCE_SECONDS} s: {now}\n{self._engine.log_tail()}"
                raise DemoError(message)
            time.sleep(FRAME_SECONDS)

    def _is_ready(self) -> bool:
        return "run.ready" in self._engine.log_tail(50)

    def _of(self, deed: str) -> str:
        return next(one.id for one in SCENES if one.happens == deed)

    def _say(self, text: str, *, style: str = "", **facts: object) -> None:
        self._console.print(self._texts[text].format(**facts), style=style, markup=False, highlight=False)

    def report(self, end: Picture) -> bool:
        """Print the closing report; True when everything came out as it must."""
        starts = self._cloud.control("GET", "journal?action=StartInstance&limit=100000")["entries"]
        calls = self._cloud.control("GET", "journal?kind=request&limit=100000")["entries"]
        verdicts = Counter(one.verdict for one in end.standings.values())
        times = [one.seconds for one in end.standings.values() if one.seconds is not None and one.verdict == "healed"]
        told = ", ".join(f"{self._texts[verdict]} {count}" for verdict, count in sorted(verdicts.items()))
        self._console.print()
        self._say("closing", style="bold", told=told)
        self._say("time_to_heal", fastest=min(times), slowest=max(times))
        self._say("calls", calls=len(calls), starts=len(starts))
        wrong = [f"{one.name}: {end.standings[one.id]}" for one in SCENES if not _as_expected(end, one.id)]
        self._say("wrong" if wrong else "right", style="bold red" if wrong else "bold green", what="; ".join(wrong))
        self._database.close()
        return not wrong


def run_demo(*, language: str) -> int:
    """Run the demo and return an exit code: 0 when everything came out as it must."""
    if language not in TEXTS:
        message = f"language {language!r}: expected one of {', '.join(TEXTS)}"
        raise SettingsError(message)
    with tempfile.TemporaryDirectory(prefix="cloudheal-demo-") as folder, simulated_cloud() as cloud:
        engine = Engine(Path(folder), cloud.url, language)
        try:
            evening = Evening(cloud, engine, Console(), language)
            return 0 if evening.report(evening.tell()) else 1
        finally:
            engine.stop()


def _as_expected(end: Picture, id_: str) -> bool:
    scene = next(one for one in SCENES if one.id == id_)
    standing = end.standings[id_]
    return (standing.verdict, standing.code) == (scene.verdict, scene.code)
