"""`drill run` proves the whole chain with a scenario, `drill scenarios` lists those that come with the package.

It ends with 0 when the drill passed, with 1 when it failed or could not be run, with 2 when a file is wrong. SIGTERM
and Ctrl-C end it in order: what it created is taken back first. Whatever ends it otherwise, the next drill does that.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from cloudheal.cli.desk import Desk, desk, operator
from cloudheal.cli.options import HERE, AsJson, Config

if TYPE_CHECKING:
    from cloudheal.cli.show import Show
    from cloudheal.drills.cleaning import Cleaned
    from cloudheal.drills.ground import Ground
    from cloudheal.drills.outcome import DrillReport, StepResult
    from cloudheal.drills.preflight import Ready
    from cloudheal.drills.scenario import Scenario, Step
    from cloudheal.drills.stage.setting_up import Stage

app = typer.Typer()
_SHOWN = ("number", "step", "result", "latency", "limit", "seen")


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """One scenario as people read it."""

    scenario: str
    description: str
    needs: str
    steps: int


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step as people read it."""

    number: int
    step: str
    result: str
    latency: object
    limit: object
    seen: Sequence[str]


@app.command()
def scenarios(
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of scenario files.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the scenarios that come with the package; `drill run NAME` runs one."""
    from zoneinfo import ZoneInfo

    from cloudheal.cli.show import Show
    from cloudheal.drills.files import library, schema_of_files

    known_language(language)
    show = Show(language, ZoneInfo("UTC"), as_json=as_json)
    if schema:
        show.document(schema_of_files())
        return
    rows = [
        ScenarioRow(
            one.name, getattr(one.description, language), show.text(f"drill.needs.{_needs(one)}"), len(one.steps)
        )
        for one in library()
    ]
    show.rows("title.drill.scenarios", rows, ("scenario", "description", "needs", "steps"))


@app.command()
def run(
    scenario: Annotated[
        str, typer.Argument(help="A scenario's name, or a file of your own.", metavar="NAME|FILE.yaml")
    ],
    config: Config = HERE,
    simulator: Annotated[
        bool, typer.Option("--simulator", help="On a simulated cloud and a handler of its own; no settings are read.")
    ] = False,
    real_actions: Annotated[
        bool, typer.Option("--real-actions", help="Let the handler act on the targets for the drill's events.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML for a build server.", metavar="FILE")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one page, which needs no network.", metavar="FILE")] = None,
    language: Annotated[str, typer.Option(help="With --simulator: en or zh.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Run a scenario: cause what it says, watch the handler, compare, take everything back, and report."""
    from cloudheal.drills.files import scenario_named

    known_language(language)
    for path, option in ((junit, "--junit"), (html, "--html")):
        _check_writable(path, option)
    wanted = scenario_named(scenario)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        stage = stack.enter_context(staged(wanted, language, as_json=as_json)) if simulator else None
        at = stack.enter_context(desk(stage.config if stage else config, as_json=as_json))
        report = drilled_on(ground_on(at, signals, stage), at, wanted, allow_real=real_actions)
        tell(report, at)
        _write(report, at, junit, html)
    raise typer.Exit(0 if report.passed else 1)


def known_language(language: str) -> None:
    """Refuse a language that nothing here speaks."""
    from cloudheal.cli.texts import TEXTS

    if language not in TEXTS:
        raise typer.BadParameter(f"expected one of {', '.join(TEXTS)}", param_hint="--language")


def _needs(scenario: Scenario) -> str:
    from cloudheal.drills.scenario import SIMULATED

    kinds = {one.kind for one in scenario.steps}
    if "handler" in kinds:
        return "handler"
    if kinds & SIMULATED:
        return "simulator"
    return "real" if scenario.actions == "real" else "nothing"


class Signals:
    """Takes SIGTERM and Ctrl-C for a word to stop; a second one breaks off whatever is being done."""

    def __init__(self) -> None:
        self._told = False

    def __enter__(self) -> Self:
        self._before = {one: signal.signal(one, self._stop) for one in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def told(self) -> bool:
        """Say whether the drill is to stop."""
        return self._told

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if self._told:
            raise KeyboardInterrupt
        self._told = True


@contextmanager
def staged(scenario: Scenario, language: str, *, as_json: bool) -> Iterator[Stage]:
    """Have the stage of a scenario until the block ends, with no keys of a real cloud about."""
    import tempfile
    from zoneinfo import ZoneInfo

    from cloudheal.cli.show import Show
    from cloudheal.drills.stage.handler import KEYS
    from cloudheal.drills.stage.setting_up import stage

    Show(language, ZoneInfo("UTC"), as_json=as_json).say("drill.stage", scenario=scenario.name)
    os.environ.update(KEYS)  # whatever keys there are belong to a real cloud, and stay out of this
    with (
        tempfile.TemporaryDirectory(prefix="cloudheal-drill-") as folder,
        stage(scenario, Path(folder), language) as ready,
    ):
        yield ready


def ground_on(at: Desk, signals: Signals, stage: Stage | None) -> Ground:
    """Return the ground of a drill: the operator's own, or a stage."""
    from cloudheal.app.drilling import ground_of

    return ground_of(at.settings, at.database, at.clock, signals.told, stage, who=operator())


def drilled_on(ground: Ground, at: Desk, scenario: Scenario, *, allow_real: bool = False) -> DrillReport:
    """Run a drill, telling a person how it goes."""
    from rich.console import Console

    from cloudheal.drills.runner import Watcher, run_drill

    console = Console(stderr=True)
    with console.status("", spinner="dots") as status:
        if at.show.as_json or not sys.stderr.isatty():
            status.stop()
        teller = _Teller(at.show, status.update)
        watcher = Watcher(teller.ready, teller.begins, before=teller.before)
        return run_drill(ground, scenario, watcher, allow_real=allow_real)


@dataclass(slots=True)
class _Teller:
    """Tells a person how the drill goes."""

    show: Show
    status: Callable[[str], object]
    count: int = field(default=0)

    def before(self, cleaned: Cleaned) -> None:
        """Tell what an earlier drill had left."""
        if cleaned.cancelled:
            self.show.say("drill.before", count=cleaned.cancelled)
        if cleaned.left:
            self.show.say("drill.before.left", left=", ".join(cleaned.left))

    def ready(self, scenario: Scenario, ready: Ready) -> None:
        """Tell what the drill is about to touch."""
        from cloudheal.cli.drill_page import note

        say, scope, self.count = self.show.say, ready.scope, len(scenario.steps)
        say("drill.scope", scenario=scenario.name, description=getattr(scenario.description, self.show.language))
        servers = ", ".join(scope.servers[:10]) + (", ..." if len(scope.servers) > 10 else "")
        say(
            "drill.scope.servers",
            account=scope.account,
            region=scope.region,
            count=len(scope.servers),
            servers=servers,
        )
        say("drill.scope.rules" if scope.rules else "drill.scope.nobody", rules=", ".join(scope.rules))
        if scope.calls:
            say("drill.scope.real" if scope.real else "drill.scope.dry")
            say("drill.scope.limits", calls=scope.calls, scheduled=scope.scheduled)
        for one in scope.notes:
            say("drill.note", note=note(one, self.show))

    def begins(self, number: int, step: Step) -> None:
        """Show which step the drill is at."""
        self.status(self.show.text("drill.at", number=number, count=self.count, step=step.title))


def tell(report: DrillReport, at: Desk) -> None:
    """Tell what came of it: the steps, the verdict, and what was taken back."""
    from cloudheal.cli.drill_page import why

    if at.show.as_json:
        at.show.document(document_of(report))
        return
    at.show.rows("title.drill.steps", [_row(one, at) for one in report.steps], _SHOWN)
    failed = report.failed
    if report.problem:
        at.show.say("drill.broken", scenario=report.scenario, problem=report.problem)
    elif failed is not None:
        facts = {"number": failed.number, "step": failed.title, "why": why(failed.why, at.show)}
        at.show.say("drill.failed", scenario=report.scenario, **facts)
        if failed.missing:
            at.show.say("drill.missing", servers=", ".join(failed.missing))
        if failed.seen:
            at.show.say("drill.instead", seen="; ".join(failed.seen))
    elif report.left:
        at.show.say("drill.failed.left", scenario=report.scenario)
    else:
        length = report.ended - report.began
        at.show.say("drill.passed", scenario=report.scenario, count=len(report.steps), length=length)
    if report.left:
        at.show.say("drill.left", left=", ".join(report.left))
    else:
        at.show.say("drill.clean", count=report.cancelled)


def document_of(report: DrillReport) -> dict[str, object]:
    """Return a report for programs."""
    from dataclasses import asdict

    failed = report.failed
    return {
        "passed": report.passed,
        "failed_at": {"number": failed.number, "title": failed.title, "why": failed.why} if failed else None,
        **asdict(report),
    }


def _row(one: StepResult, at: Desk) -> StepRow:
    result = at.show.text(f"drill.result.{one.result}")
    return StepRow(one.number, one.title, result, one.latency, one.limit, one.seen)


def _write(report: DrillReport, at: Desk, junit: Path | None, html: Path | None) -> None:
    from cloudheal.cli.drill_page import page, why
    from cloudheal.drills.junit import junit_of

    if junit is not None:
        _put(junit, junit_of(report, lambda reason: why(reason, at.show)), "--junit")
    if html is not None:
        _put(html, page(report, at.show, at.zone), "--html")


def _check_writable(path: Path | None, option: str) -> None:
    """Refuse at once what could not be written when the drill is over."""
    if path is None:
        return
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be written", param_hint=option)


def _put(path: Path, text: str, option: str) -> int:
    try:
        return path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise typer.BadParameter(f"{path} cannot be written: {problem.strerror}", param_hint=option) from None
