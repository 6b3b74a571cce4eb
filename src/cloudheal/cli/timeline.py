"""A plan as a picture for the terminal: groups as rows, time as columns; windows shaded, slots and deadlines marked.

Every mark has a character of its own, so that the picture is read without colour and survives a pipe. It is imported
by the command that draws, because it needs Rich.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from cloudheal.cli.plan_texts import PLAN_TEXTS
from cloudheal.model.plan import Policy, Schedule, Slot, Terms, Unplaced
from cloudheal.model.window import Stretch, stretches

#: What stands in a column, the more important later, and how it looks.
WINDOW, DEADLINE, SLOT, ASKS = "░", "|", "█", "?"
_STYLES = {WINDOW: "dim", DEADLINE: "red", SLOT: "green", ASKS: "yellow"}
#: Columns from one time on the axis to the next, and the widest name of a group.
_APART, _WIDEST = 18, 24


@dataclass(frozen=True, slots=True)
class Look:
    """How it is drawn: in which language and zone, how wide in all, and at most how many groups."""

    language: str
    zone: tzinfo
    width: int = 100
    most: int = 40


def timeline(schedule: Schedule, terms: Mapping[str, Terms], now: datetime, look: Look) -> Text:
    """Return the picture of a plan from now to the last slot or deadline, groups with the next slot first."""
    groups = _groups(schedule)
    texts = PLAN_TEXTS[look.language]
    if not groups:
        return Text(texts["timeline.nothing"])
    names = {group: _name(group, texts) for group in groups[: look.most]}
    wide = min(_WIDEST, max(map(cell_len, names.values())))
    axis = _axis(schedule, now, max(_APART, look.width - wide - 24))
    begin, end = (moment.astimezone(look.zone).strftime("%Y-%m-%d %H:%M") for moment in (axis.begin, axis.end))
    lines = [
        Text(texts["timeline.title"].format(begin=begin, end=end), "bold"),
        Text(" " * (wide + 1) + axis.times(look.zone)),
        *(
            Text(set_cell_size(name, wide) + " ")
            + axis.row(*_of(schedule, group), terms.get(group, Terms()))
            + Text("  " + _sum(*_of(schedule, group), texts))
            for group, name in names.items()
        ),
        *([Text(texts["timeline.more"].format(count=len(groups) - look.most))] if len(groups) > look.most else []),
        Text(texts["timeline.legend"].format(zone=look.zone), "dim"),
    ]
    return Text("\n").join(lines)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Time cut into columns of one length."""

    begin: datetime
    column: timedelta
    columns: int

    @property
    def end(self) -> datetime:
        return self.begin + self.columns * self.column

    def times(self, zone: tzinfo) -> str:
        """Return the line of times, each beginning at its column."""
        form = "%H:%M" if self.end - self.begin <= timedelta(days=1) else "%m-%d %H:%M"
        marks = range(0, self.columns - _APART + 1, _APART)
        return "".join(f"{(self.begin + at * self.column).astimezone(zone):{form}}".ljust(_APART) for at in marks)

    def row(self, rows: Sequence[Slot], missing: Sequence[Unplaced], terms: Terms) -> Text:
        """Return the columns of one group."""
        marks = [" "] * self.columns
        for window in terms.windows:
            for one in stretches(window, self.begin, self.end):
                self._mark(marks, one, WINDOW)
        for deadline in [*(one.deadline for one in rows), *(one.deadline for one in missing)]:
            self._mark(marks, Stretch(deadline, deadline + timedelta(microseconds=1)), DEADLINE)
        for row in sorted(rows, key=lambda row: row.policy is Policy.ASK):
            self._mark(marks, Stretch(row.begin, row.end), ASKS if row.policy is Policy.ASK else SLOT)
        return Text.assemble(*((mark, _STYLES.get(mark, "")) for mark in marks))

    def _mark(self, marks: list[str], stretch: Stretch, mark: str) -> None:
        """Mark every column that a stretch reaches into."""
        first = max(0, (stretch.begin - self.begin) // self.column)
        past = -((self.begin - stretch.end) // self.column)
        for at in range(first, min(past, self.columns)):
            marks[at] = mark


def _axis(schedule: Schedule, now: datetime, columns: int) -> _Axis:
    """Return columns of whole steps of five minutes that reach from the hour that is to the last deadline."""
    begin = now.replace(minute=0, second=0, microsecond=0)
    last = max((one.deadline for one in _all(schedule)), default=begin)
    step = timedelta(minutes=5)
    return _Axis(begin, max(1, -((begin - last) // step) // columns + 1) * step, columns)


def _all(schedule: Schedule) -> list[Slot | Unplaced]:
    return [*schedule.rows, *schedule.unplaced]


def _groups(schedule: Schedule) -> list[str]:
    return list(dict.fromkeys(one.group for one in _all(schedule)))


def _of(schedule: Schedule, group: str) -> tuple[list[Slot], list[Unplaced]]:
    rows = [row for row in schedule.rows if row.group == group]
    return rows, [one for one in schedule.unplaced if one.group == group]


def _name(group: str, texts: Mapping[str, str]) -> str:
    """Return a group's name without what could drive a terminal."""
    return "".join(_printable(group)) or texts["timeline.no_group"]


def _printable(text: str) -> Iterator[str]:
    return (one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _sum(rows: Sequence[Slot], missing: Sequence[Unplaced], texts: Mapping[str, str]) -> str:
    told = [texts["timeline.slots"].format(count=len(rows))] if rows else []
    return ", ".join([*told, *([texts["timeline.missing"].format(count=len(missing))] if missing else [])])
