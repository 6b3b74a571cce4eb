"""Usual traffic is used when it can be trusted; whatever else a file or a cloud brings, there is only a reason."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cloudheal.errors import CloudTransientError
from cloudheal.model.plan import STEP
from cloudheal.pipeline.loads import AGAIN, KEPT, Loads, Point
from cloudheal.settings.load import LoadSettings
from cloudheal.sources.load_file import LoadFileError, points_of

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
FILE = LoadSettings(file="/nowhere/traffic.csv", timezone="Asia/Shanghai")


def week(until: datetime = NOW) -> list[Point]:
    """Return a week of quarters in which nights are quiet."""
    moments = (until - number * QUARTER for number in range(7 * 96))
    return [(one, 1.0 if 18 <= one.hour < 22 else 100.0) for one in moments]


def of(points: Iterable[Any] | Exception, now: datetime = NOW) -> Any:
    """Return what is known when reading brings this."""

    def read(*_: object) -> Iterable[Any]:
        if isinstance(points, Exception):
            raise points
        return points

    return Loads(read).of(FILE, now)


def test_a_measured_week_is_a_profile() -> None:
    """Quiet nights are below the mean, the rest above it."""
    known = of(week())
    assert known.problem == ""
    assert (min(known.profile.loads) < 0.1, max(known.profile.loads) > 1) == (True, True)


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        ([], "empty"),
        (week()[:95], "too_little"),
        (week(NOW - timedelta(days=15)), "old 2026-02-15T03:00+00:00"),
        ([(NOW + timedelta(days=number), 1.0) for number in range(1, 900)], "empty"),
        ([(NOW - timedelta(weeks=5), 1.0)] * 900, "empty"),
        ([(NOW - number * QUARTER, float("nan")) for number in range(200)], "empty"),
        ([(NOW - number * QUARTER, 1e308) for number in range(200)], "unread"),
        ([(NOW.replace(tzinfo=None), 1.0)] * 900, "unread"),
        ([None], "unread"),
        (CloudTransientError("no", vendor_code="Throttling.User"), "unread Throttling.User"),
        (LoadFileError("line 3: expected time,load"), "unread line 3"),
        (RuntimeError("/secret/path"), "unread RuntimeError"),
    ],
    ids=[
        "nothing",
        "a morning",
        "old",
        "future",
        "long ago",
        "nan",
        "huge",
        "no zone",
        "none",
        "put off",
        "file",
        "bug",
    ],
)
def test_what_cannot_be_trusted_is_no_profile_and_says_why(points: Any, problem: str) -> None:
    """Nothing is raised; the reason has a code."""
    known = of(points)
    assert known.profile is None
    assert known.problem.startswith(problem)


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.text(),
            st.tuples(
                st.datetimes(timezones=st.just(UTC))
                | st.sampled_from([NOW - number * QUARTER for number in range(500)]),
                st.floats() | st.text(max_size=3) | st.none(),
            ),
        ),
        max_size=300,
    )
)
def test_anything_at_all_is_a_profile_that_holds_or_a_reason(points: list[Any]) -> None:
    """A profile has a load from 0 on for each step of the week, or there is none."""
    known = of(points)
    assert (known.profile is None) == bool(known.problem)
    if known.profile is not None:
        assert len(known.profile.loads) == timedelta(days=7) // STEP


def test_a_profile_that_was_good_is_used_while_it_cannot_be_read_again_and_is_not_too_old() -> None:
    """It is read once an hour, tried again after ten minutes, and given up when its newest value is too old."""
    answers: list[Any] = [week(), RuntimeError(), RuntimeError(), week()]
    reads: list[datetime] = []

    def read(_: LoadSettings, _since: datetime, until: datetime) -> Iterable[Point]:
        reads.append(until)
        found = answers.pop(0) if answers else RuntimeError()
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    loads = Loads(read)
    first = loads.of(FILE, NOW)
    assert loads.of(FILE, NOW + KEPT - STEP).profile is first.profile
    assert reads == [NOW]
    assert loads.of(FILE, NOW + KEPT).profile is first.profile
    assert loads.of(FILE, NOW + KEPT + AGAIN).profile is first.profile
    assert loads.of(FILE, NOW + KEPT + 2 * AGAIN).profile is not None
    assert len(reads) == 4
    assert loads.of(FILE, NOW + timedelta(days=15)).problem.startswith("old ")


# --- files ---------------------------------------------------------------------------------------------


def test_a_file_is_read_with_heading_zones_and_comments(tmp_path: Path) -> None:
    """A time without a zone is in the operator's; seconds since 1970 and a mark at the beginning are fine too."""
    path = tmp_path / "traffic.csv"
    path.write_text("\ufefftime,qps\n# night\n2026-03-02T11:00,5\n\n2026-03-02T03:00:00Z, 7.5\n1772420400,1\n", "utf-8")
    assert list(points_of(str(path), "Asia/Shanghai")) == [(NOW, 5.0), (NOW, 7.5), (NOW, 1.0)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"2026-03-02T11:00,5\nnonsense\n", "line 2"),
        (b"2026-03-02T11:00;5\n", "line 1"),
        (b"2026-03-02T11:00,5,6\n", "line 1"),
        (b"time,load\n99999999999999999999,5\n", "line 2"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_a_file_with_a_line_that_cannot_be_read_is_not_used(tmp_path: Path, content: bytes, words: str) -> None:
    """The line is named, and what it says is not."""
    path = tmp_path / "traffic.csv"
    path.write_bytes(content)
    with pytest.raises(LoadFileError, match=words):
        list(points_of(str(path), "UTC"))


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """And a folder is no file."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(LoadFileError, match="cannot be read"):
            list(points_of(str(path), "UTC"))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"file": "a", "metric": {"region": "r", "namespace": "n", "name": "m"}},
        {"file": "a", "period": "7m"},
        {"file": "a", "weeks": 0},
        {"file": "a", "timezone": "Moon/Base"},
        {"metric": {"region": "r", "namespace": "n", "name": "m", "statistic": "Median"}},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    """Where they are read, not in the night in which they are needed."""
    with pytest.raises(ValidationError):
        LoadSettings.model_validate(wrong)


def test_a_file_lies_beside_the_settings_and_a_port_is_text() -> None:
    """Relative to the folder of the settings file."""
    load = LoadSettings.model_validate({"file": "traffic.csv"}, context={"folder": Path("/etc/cloudheal")})
    assert load.file == "/etc/cloudheal/traffic.csv"
    metric = {"region": "r", "namespace": "n", "name": "m", "dimensions": {"port": 443}}
    asked = LoadSettings.model_validate({"metric": metric}).metric
    assert asked is not None
    assert asked.dimensions == {"port": "443"}
