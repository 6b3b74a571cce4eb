"""The plan goes by usual traffic where it is known, and is made all the same, with the reason, where it is not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cloudheal.app import accounts_of
from cloudheal.app.loads import loads_of
from cloudheal.cli.plan_texts import why_row
from cloudheal.clouds.alibaba.client import Client
from cloudheal.clouds.alibaba.metrics import AlibabaMetrics
from cloudheal.clouds.keys import Keys
from cloudheal.errors import CloudTransientError, SettingsError
from cloudheal.pipeline.loads import Known, Loads, Point
from cloudheal.ports.account import Metric
from cloudheal.record.database import Database, open_database
from cloudheal.record.schema import migrate
from cloudheal.settings.schema import Settings
from tests.contract.test_plans import HOUR, NIGHT, NOON, Plans
from tests.sim.simulator import RunningSimulator, started

SHANGHAI = ZoneInfo("Asia/Shanghai")
LOAD = {"file": "/nowhere/traffic.csv", "timezone": "Asia/Shanghai"}
QUARTER = timedelta(minutes=15)
REGION, ACCOUNT, WEB = "cn-hangzhou", "1000000000000001", "i-bp1web01"


def quiet_at_four(until: datetime) -> Iterator[Point]:
    """Yield a week in which little happens from four to five in the morning, in Shanghai."""
    for number in range(7 * 96):
        moment = until - number * QUARTER
        yield moment, 1.0 if moment.astimezone(SHANGHAI).hour == 4 else 100.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite: nothing here is another statement."""
    opened = open_database(f"sqlite:///{tmp_path / 'plan.db'}")
    migrate(opened)
    yield opened
    opened.close()


class Reading:
    """What reading the traffic brings: the usual week, or an error."""

    def __init__(self) -> None:
        self.problem: Exception | None = None

    def __call__(self, _settings: object, _since: datetime, until: datetime) -> Iterable[Point]:
        """Read."""
        if self.problem is not None:
            raise self.problem
        return quiet_at_four(until)


def planning(database: Database, **maintenance: Any) -> tuple[Plans, Reading]:
    """Return a planner that goes by traffic, and what is read of it."""
    plans, reading = Plans(database, {}, {"load": LOAD, **maintenance}), Reading()
    plans.planner.load_of = Loads(reading).of
    return plans, reading


def told(plans: Plans, language: str = "en") -> str:
    """Return why the one slot is where it is."""
    return why_row(plans.row, language, SHANGHAI)


def test_a_slot_lies_where_there_is_little_traffic(database: Database) -> None:
    """Between four and five at night, and the plan says how little it is."""
    plans, _ = planning(database)
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick()
    assert plans.row.begin is not None
    assert plans.row.begin.astimezone(SHANGHAI).hour == 4
    assert plans.row.why["choice"] == "low_traffic"
    assert "little traffic" in told(plans)


@pytest.mark.parametrize(
    "problem", [CloudTransientError("no", vendor_code="InternalError"), RuntimeError("bug"), ValueError("nonsense")]
)
def test_traffic_that_cannot_be_read_leaves_the_earliest_slot_and_the_reason(
    database: Database, problem: Exception
) -> None:
    """The plan is the one that would be made without a profile, and says why, in both languages."""
    plans, reading = planning(database)
    reading.problem = problem
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick()
    assert (plans.row.why["choice"], plans.row.stale) == ("earliest", False)
    assert plans.row.begin is not None
    assert plans.row.begin - NOON < HOUR
    assert "the earliest time that is left; usual traffic is not known: it cannot be read (" in told(plans)
    assert "不了解通常的流量：无法读取" in told(plans, "zh")


@pytest.mark.parametrize("loads", [(0.0, 0.0), (5.0, 5.0), (1e300, 1e-300), (0.0, 1.0)], ids=str)
def test_odd_traffic_makes_a_plan_too(database: Database, loads: tuple[float, float]) -> None:
    """Nothing at all, always the same, one spike: a slot before the deadline, and no row is left to be planned."""
    plans, reading = planning(database)
    points = [(one, loads[0] if number == 7 else loads[1]) for number, (one, _) in enumerate(quiet_at_four(NOON))]
    plans.planner.load_of = Loads(lambda *_: points).of
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick()
    assert reading.problem is None
    assert (plans.row.why["choice"], plans.row.stale) == ("low_traffic", False)
    assert plans.row.begin is not None
    assert plans.row.deadline is not None
    assert NOON <= plans.row.begin < plans.row.deadline


def test_a_window_is_kept_and_the_reason_stands_beside_it(database: Database) -> None:
    """What the group agreed to goes on to hold."""
    plans, reading = planning(database, windows=[NIGHT])
    reading.problem = RuntimeError()
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick()
    assert (plans.row.why["choice"], plans.row.why["no_load"]) == ("window", "unread RuntimeError")
    assert "in the window from" in told(plans)


def test_traffic_that_is_known_again_counts_for_what_is_planned_then(database: Database) -> None:
    """A slot that was given stays; nothing is written anew while nothing changes."""
    plans, reading = planning(database)
    reading.problem = RuntimeError()
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick()
    first = plans.row
    reading.problem = None
    plans.clock.advance(timedelta(minutes=11))
    assert plans.planner.tick() == 0
    plans.told("i-2", "e-2", NOON + 40 * HOUR)
    plans.tick()
    rows = {one.subject.id: one for one in plans.rows()}
    assert rows["i-1"].begin == first.begin
    assert rows["i-2"].why["choice"] == "low_traffic"


def test_a_group_has_its_own_traffic(database: Database) -> None:
    """Where it names none, that of all the others counts."""
    plans, _ = planning(database)
    own = {"load": LOAD, "groups": [{"group": "other", "load": {**LOAD, "file": "/nowhere/other.csv"}}]}
    asked: list[str] = []
    plans.planner.settings = plans.planner.settings.model_validate(own)
    read = plans.planner.load_of

    def noted(settings: Any, now: datetime) -> Any:
        asked.append(Path(settings.file).name)
        return read(settings, now)

    plans.planner.load_of = noted
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick()
    assert set(asked) == {"traffic.csv", "other.csv"}
    assert plans.row.why["choice"] == "low_traffic"


# --- CloudMonitor, on the simulator -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """One simulator for the module, with a server whose load is chosen: nothing between four and five."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    since = now - timedelta(weeks=4, days=1)
    hours = round((now - since) / HOUR)
    values = [1.0 if (since + number * HOUR).astimezone(SHANGHAI).hour == 4 else 90.0 for number in range(hours)]
    chosen = {"metric": "cpu_total", "instance": WEB, "since": since.isoformat(), "period": 3600, "values": values}
    created = (since - timedelta(days=1)).isoformat()
    instances = [{"id": WEB, "region": REGION, "status": "Running", "created": created}]
    running = started()
    try:
        running.world({"regions": [REGION], "alibaba": {"instances": instances, "metric_overrides": [chosen]}})
        yield running
    finally:
        running.stop()


def cpu(period: timedelta = QUARTER) -> Metric:
    """Return the server's CPU, in the words of the vendor."""
    return Metric(REGION, "acs_ecs_dashboard", "cpu_total", {"instanceId": WEB}, "Average", period)


def test_weeks_of_a_metric_are_read_page_by_page(simulator: RunningSimulator) -> None:
    """Four weeks of quarters take two pages; every value is there once, in its time."""
    metrics = AlibabaMetrics(Client(Keys("testid", "testsecret"), simulator.url), lambda: 0.0)
    now, before = datetime.now(UTC), len(simulator.journal(action="DescribeMetricList"))
    points = list(metrics.points(cpu(), now - timedelta(weeks=4), now))
    assert len(simulator.journal(action="DescribeMetricList")) - before == 2
    assert len(points) == len({moment for moment, _ in points}) > 27 * 96
    quiet = Counter(moment.astimezone(SHANGHAI).hour for moment, load in points if load < 45)
    assert quiet[4] > 27 * 3 > 27 > quiet[12] + quiet[20]


def test_a_reading_that_takes_too_long_breaks_off(simulator: RunningSimulator) -> None:
    """Whoever plans does not wait for it."""
    seconds = iter([0.0, 1.0, 30.0])
    metrics = AlibabaMetrics(Client(Keys("testid", "testsecret"), simulator.url), lambda: next(seconds))
    now = datetime.now(UTC)
    with pytest.raises(CloudTransientError) as slow:
        list(metrics.points(cpu(), now - timedelta(weeks=4), now))
    assert slow.value.vendor_code == "TookTooLong"


def settings(simulator: RunningSimulator, **metric: Any) -> Settings:
    """Return settings that go by the server's CPU."""
    asked = {"region": REGION, "namespace": "acs_ecs_dashboard", "name": "cpu_total", **metric}
    account = {"name": "prod", "cloud": "alibaba", "id": ACCOUNT, "regions": [REGION], "endpoint": simulator.url}
    load = {"metric": {"dimensions": {"instanceId": WEB}, **asked}, "timezone": "Asia/Shanghai"}
    return Settings.model_validate({"accounts": [account], "maintenance": {"load": load}})


def known_of(chosen: Settings) -> Known:
    """Return what is known of the traffic that settings name."""
    assert chosen.maintenance.load is not None
    with closing(open_database("sqlite://")) as none:
        return loads_of(chosen, accounts_of(chosen), none).of(chosen.maintenance.load, datetime.now(UTC))


def test_a_metric_becomes_a_profile_and_one_that_is_refused_a_reason(
    simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the account's own key; the vendor's code is the reason."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    known = known_of(settings(simulator))
    assert known.problem == ""
    assert known.profile is not None
    refused = known_of(settings(simulator, name="no_such_metric"))
    assert (refused.profile, refused.problem) == (None, "unread ResourceNotFound")
    with pytest.raises(SettingsError, match="expected one of the accounts"):
        known_of(settings(simulator, account="other"))
    assert "testsecret" not in json.dumps([one.get("parameters", {}) for one in simulator.journal()], default=str)
