"""The same rules as `alarms`, for every series and every rule at once: numpy arrays, a few passes each.

Rules are rows and series are columns. The work is cut into blocks that stay in the processor's cache, and what is rare
(series without data, alarms out of hours, comparisons) is done for its rows or columns only. A test holds every number
to `alarms.stepped`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cloudheal.logs.alarm_rounds import Key, Line, Period, Values, is_counted, keys_of
from cloudheal.logs.alarms import MOST_COUNTED, Alarm, Rule, Standing, unheard
from cloudheal.model.alarm import Level, NoData, Than

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]
Numbers: TypeAlias = NDArray[Any]

#: Cells of a block: what it reads and writes fits the second cache of small machines.
CELLS = 1 << 17


@dataclass(frozen=True, slots=True)
class Board:
    """How all series of some alarms stand: a row for a rule in `history`, for an alarm in the others."""

    history: Numbers
    level: NDArray[np.int8]
    quiet: NDArray[np.uint8]
    missing: NDArray[np.uint8]

    @classmethod
    def fresh(cls, table: RuleTable, series: int) -> Board:
        """Return the board of series of which nothing was seen yet."""
        shape = (len(table.alarms), series)
        history = np.zeros((len(table.low), series), table.mask.dtype)
        return cls(history, np.zeros(shape, np.int8), np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))

    @classmethod
    def of(cls, table: RuleTable, standings: Sequence[Sequence[Standing]]) -> Board:
        """Return the board of standings, a sequence of series for each alarm."""
        board = cls.fresh(table, len(standings[0]) if standings else 0)
        for alarm, (rows, many) in enumerate(zip(table.rows, standings, strict=True)):
            for column, one in enumerate(many):
                board.history[rows, column] = one.history
            board.level[alarm] = [one.level for one in many]
            board.quiet[alarm] = [one.quiet for one in many]
            board.missing[alarm] = [one.missing for one in many]
        return board

    def standings(self, table: RuleTable) -> list[list[Standing]]:
        """Return every standing, a list of series for each alarm."""
        return [self._standings_of(alarm, rows) for alarm, rows in enumerate(table.rows)]

    def _standings_of(self, alarm: int, rows: Sequence[int]) -> list[Standing]:
        histories = self.history[rows].T.tolist()
        columns = (self.level[alarm].tolist(), self.quiet[alarm].tolist(), self.missing[alarm].tolist())
        return [
            Standing(Level(level), tuple(history), quiet, missing)
            for history, level, quiet, missing in zip(histories, *columns, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Compared:
    """Rows that compare with something: those that are bad when it went up, and those when it went down."""

    up: Rows
    down: Rows
    least: Floats
    most: Floats


@dataclass(frozen=True, slots=True)
class RuleTable:
    """The rules of some alarms as columns of numbers: the gravest rule of every alarm, then the second ones, the third.

    So the first rows are the alarms in their order, and what the others add is a part of them.
    """

    alarms: tuple[Alarm, ...]
    rows: tuple[list[int], ...]
    """The rows of each alarm's rules."""
    owner: Rows
    """The alarm of each row."""
    level: NDArray[np.int8]
    low: Floats
    bounded: Rows
    """The rows that have an upper bound."""
    high: Floats
    """Their bounds."""
    compared: Mapping[Than, Compared]
    mask: Numbers
    times: NDArray[np.uint8]
    in_a_row: bool
    """True when every rule wants all of its periods to be bad, as most do."""
    lesser: tuple[tuple[Rows, slice], ...]
    """The alarms that have a second rule and the rows of these, and a third."""
    counts_as_good: Bools
    """The alarms that take a period without data for a good one."""
    counts_as_alarm: Bools
    no_data_times: NDArray[np.uint8]
    slow: Rows
    """The alarms that want more than one good period."""
    recovers_after: NDArray[np.uint8]
    """How many they want."""


def rule_table(alarms: Sequence[Alarm]) -> RuleTable:
    """Put the rules of alarms into columns."""
    placed = [
        (alarm, one.rules[rank]) for rank in range(3) for alarm, one in enumerate(alarms) if rank < len(one.rules)
    ]
    owner, rules = _rows([alarm for alarm, _ in placed]), [rule for _, rule in placed]
    longest = max((one.of for one in rules), default=1)
    bits = next(kind for kind in (np.uint8, np.uint16, np.uint32, np.uint64) if np.dtype(kind).itemsize * 8 >= longest)
    bounded = [row for row, one in enumerate(rules) if one.high < math.inf]
    slow = [row for row, one in enumerate(alarms) if one.recovers_after > 1]
    return RuleTable(
        alarms=tuple(alarms),
        rows=tuple(np.flatnonzero(owner == alarm).tolist() for alarm in range(len(alarms))),
        owner=owner,
        level=_column([one.level for one in rules], np.int8),
        low=_column([one.low for one in rules]),
        bounded=_rows(bounded),
        high=_column([rules[row].high for row in bounded]),
        compared={than: _compared(rules, than) for than in {one.than for one in rules} if than},
        mask=_column([one.mask for one in rules], bits),
        times=_column([one.times for one in rules], np.uint8),
        in_a_row=all(one.times == one.of for one in rules),
        lesser=tuple(_lesser(alarms, rank) for rank in (1, 2)),
        counts_as_good=np.array([one.no_data is NoData.OK for one in alarms], np.bool_),
        counts_as_alarm=np.array([one.no_data is NoData.ALARM for one in alarms], np.bool_),
        no_data_times=_column([one.no_data_times for one in alarms], np.uint8),
        slow=_rows(slow),
        recovers_after=_column([alarms[row].recovers_after for row in slow], np.uint8),
    )


def _compared(rules: Sequence[Rule], than: Than) -> Compared:
    mine = [row for row, one in enumerate(rules) if one.than is than]
    up = [row for row in mine if rules[row].most == math.inf]
    down = [row for row in mine if rules[row].most < math.inf]
    least, most = [rules[row].least for row in up], [rules[row].most for row in down]
    return Compared(_rows(up), _rows(down), _column(least), _column(most))


def _lesser(alarms: Sequence[Alarm], rank: int) -> tuple[Rows, slice]:
    """Return the alarms that have a rule of a rank, and where these rules stand."""
    having = [alarm for alarm, one in enumerate(alarms) if rank < len(one.rules)]
    first = sum(min(rank, len(one.rules)) for one in alarms)
    return _rows(having), slice(first, first + len(having))


def advance(
    table: RuleTable, board: Board, values: Floats, references: Mapping[Than, Floats], in_hours: Sequence[bool]
) -> Board:
    """Return how every series stands after one more period; NaN is no data, in values and references."""
    out = Board(
        np.empty_like(board.history),
        np.empty_like(board.level),
        np.empty_like(board.quiet),
        np.empty_like(board.missing),
    )
    changes = {than: _change(values, references[than]) for than in table.compared}
    counts = np.array(in_hours, np.bool_)
    width = max(1, CELLS // max(len(table.low), 1))
    for begin in range(0, len(values), width):
        cut = slice(begin, begin + width)
        some = {than: one[cut] for than, one in changes.items()}
        _advance(table, _columns(board, cut), values[cut], some, counts, _columns(out, cut))
    return out


def _advance(
    table: RuleTable, past: Board, values: Floats, changes: Mapping[Than, Floats], in_hours: Bools, out: Board
) -> None:
    """Write one block; `past` and `out` are views of the boards."""
    bad = _bad(table, values, changes)
    history = out.history
    np.add(past.history, past.history, out=history)  # a shift by one, and several times as fast
    np.bitwise_or(history, bad.view(np.uint8), out=history)
    np.bitwise_and(history, table.mask, out=history)
    if not in_hours.all():
        rows = np.flatnonzero(~in_hours[table.owner])
        history[rows] = np.where(bad[rows], past.history[rows], history[rows])
    out.missing[...] = 0
    absent = np.flatnonzero(np.isnan(values))
    if not len(absent):
        _settle(table, past, _reached(table, history), out)
        return
    unknown, kept = _without_data(table, past, absent, in_hours, out)
    wanted = _reached(table, history)
    wanted[:, absent] = np.where(unknown, np.int8(Level.NO_DATA), wanted[:, absent])
    _settle(table, past, wanted, out)
    if kept.any():
        for written, before in ((out.level, past.level), (out.quiet, past.quiet)):
            written[:, absent] = np.where(kept, before[:, absent], written[:, absent])


def _bad(table: RuleTable, values: Floats, changes: Mapping[Than, Floats]) -> Bools:
    """Say which series are bad by which rules; comparing with NaN is never true."""
    bad: Bools = values >= table.low
    if len(table.bounded):
        bad[table.bounded] &= values <= table.high
    for than, rows in table.compared.items():
        if len(rows.up):
            bad[rows.up] &= changes[than] >= rows.least
        if len(rows.down):
            bad[rows.down] &= changes[than] <= rows.most
    return bad


def _without_data(table: RuleTable, past: Board, absent: Rows, in_hours: Bools, out: Board) -> tuple[Bools, Bools]:
    """See to the series without data; returns for them which are an alarm, and which stay as they were."""
    before = past.missing[:, absent]
    missing = before + (in_hours[:, None] & (before < MOST_COUNTED))
    out.missing[:, absent] = missing
    unknown = table.counts_as_alarm[:, None] & (missing >= table.no_data_times)
    kept = ~(table.counts_as_good[:, None] | unknown)
    if not table.counts_as_good.all():
        here = out.history[:, absent]
        here[unknown[table.owner]] = 0
        out.history[:, absent] = np.where(kept[table.owner], past.history[:, absent], here)
    return unknown, kept


def _reached(table: RuleTable, history: Numbers) -> NDArray[np.int8]:
    """Return the gravest level that each alarm's rules have reached."""
    met = history == table.mask if table.in_a_row else np.bitwise_count(history) >= table.times
    levels = met.view(np.int8)
    np.multiply(levels, table.level, out=levels)
    wanted = levels[: len(table.alarms)]
    for alarms, rows in table.lesser:
        if len(alarms):
            wanted[alarms] = np.maximum(wanted[alarms], levels[rows])
    return wanted


def _settle(table: RuleTable, past: Board, wanted: NDArray[np.int8], out: Board) -> None:
    """Write the levels that follow, and the periods in a row that have wanted a lesser one."""
    out.level[...] = wanted
    out.quiet[...] = 0
    if not len(table.slow):
        return
    level, wanted = past.level[table.slow], wanted[table.slow]
    quiet = past.quiet[table.slow] + np.uint8(1)
    taken = (wanted >= level) | (quiet >= table.recovers_after) | ((level == Level.NO_DATA) & (wanted != Level.OK))
    out.level[table.slow] = np.where(taken, wanted, level)
    out.quiet[table.slow] = np.where(taken, np.uint8(0), quiet)


def _change(values: Floats, references: Floats) -> Floats:
    """Return changes in percent; NaN where there is nothing to compare with."""
    known = np.where(references == 0, np.nan, references)
    changes: Floats = 100 * (values - known) / np.abs(known)
    return changes


def _columns(board: Board, cut: slice) -> Board:
    return Board(board.history[:, cut], board.level[:, cut], board.quiet[:, cut], board.missing[:, cut])


def _column(values: Sequence[float], kind: type[np.number[Any]] = np.float64) -> Numbers:
    return np.array(values, kind).reshape(-1, 1)


def all_at_once(
    alarms: Sequence[Alarm], lines: Sequence[Mapping[Key, Line]], periods: Sequence[Period]
) -> list[list[list[Standing]]]:
    """Return for each alarm what `one_by_one` does; they watch the same value of the same metric."""
    keys = [keys_of(alarm, known, periods) for alarm, known in zip(alarms, lines, strict=True)]
    columns = sorted({key for some in keys for key in some})
    place = {key: column for column, key in enumerate(columns)}
    table = rule_table(alarms)
    standings = [
        [known[key].standing if key in known else unheard(alarm) for key in columns]
        for alarm, known in zip(alarms, lines, strict=True)
    ]
    board, found = Board.of(table, standings), list[list[list[Standing]]]([] for _ in alarms)
    for period in periods:
        references = {than: _values(columns, period.references.get(than, {})) for than in table.compared}
        in_hours = [is_counted(one, period) for one in alarms]
        board = advance(table, board, _values(columns, period.values), references, in_hours)
        for mine, rows, series in zip(found, board.standings(table), keys, strict=True):
            mine.append([rows[place[key]] for key in series])
    return found


def _values(columns: Sequence[Key], values: Values) -> Floats:
    """Return values in the order of the columns; NaN where there is none."""
    return np.array([values.get(key, np.nan) for key in columns], np.float64)


def _rows(numbers: Sequence[int]) -> Rows:
    return np.array(numbers, np.intp)
