"""Lists on terminals of any width: what people copy stands in one piece."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from cloudheal.cli.sheet import WHOLE, Sheet, broken, shared

EVENT = "e-bp1jma4jpxvgojlirxef"
SERVER = "i-bp67acfmxazb4p1wcrk9"
HEADS = ("id", "resource", "type", "status", "begins", "over", "drill", "heard by")
TYPE = "Instance:SystemMaintenance.Redeploy"
ROW = (EVENT, SERVER, TYPE, "Scheduled", "2026-03-02 11:00:00", "-", "no", "queue\npoll")


def shown(width: int, heads: tuple[str, ...] = HEADS, rows: tuple[tuple[str, ...], ...] = (ROW, ROW)) -> list[str]:
    """Return the lines of a list on a terminal of that width."""
    out = StringIO()
    Console(file=out, width=width, highlight=False).print(Sheet("System events", "2 rows", heads, rows))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 100, 120, 160, 200])
def test_ids_are_whole_however_narrow_the_terminal_is(width: int) -> None:
    """What is to be copied stands in one line, and no line is longer than the terminal is wide."""
    lines = shown(width)
    assert sum(EVENT in line for line in lines) == 2
    assert sum(SERVER in line for line in lines) == 2
    assert max(map(cell_len, lines)) <= width


def test_a_wide_terminal_shows_a_table() -> None:
    """Each row is one line where there is room, or as many as a cell has lines."""
    lines = shown(200)
    assert lines[1].startswith("┏")
    assert sum(TYPE in line for line in lines) == 2


def test_a_table_loses_its_frame_before_it_loses_its_form() -> None:
    """There is room for the columns, and none for what stands between them."""
    lines = shown(118)
    assert not any("┃" in line for line in lines)
    assert any(EVENT in line and SERVER in line for line in lines)


def test_rows_that_fit_no_table_are_shown_one_below_the_other() -> None:
    """Each value stands behind its head, further lines below it, and what is empty is left out."""
    assert shown(80, rows=(ROW,)) == [
        "System events",
        f"id        {EVENT}",
        f"resource  {SERVER}",
        f"type      {TYPE}",
        "status    Scheduled",
        "begins    2026-03-02 11:00:00",
        "drill     no",
        "heard by  queue",
        "          poll",
        "",
        "2 rows",
    ]


def test_heads_in_chinese_are_as_wide_as_they_look() -> None:
    """Values stand below each other behind heads of two cells a character."""
    lines = shown(30, ("编号", "计划开始"), ((EVENT, "2026-03-02 11:00:00"),))
    assert lines[1:4] == [f"编号      {EVENT[:20]}", f"          {EVENT[20:]}", "计划开始  2026-03-02 11:00:00"]


def test_a_column_that_breaks_at_a_space_leaves_the_rest_to_others() -> None:
    """A time that does not fit one line takes two, and what it does not use of its width goes to the long text."""
    lines = shown(50, ("begins", "published", "why"), (("2026-03-02 11:00:00",) * 2 + ("x" * 19,),))
    assert sum("x" * 19 in line and line.count("2026-03-02") == 2 for line in lines) == 1


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        (f"maintenance:{EVENT}", 24, ["maintenance:", EVENT]),
        (TYPE, 24, ["Instance:", "SystemMaintenance.", "Redeploy"]),
        ("restart-unexpected-stop: act", 24, ["restart-unexpected-stop: act"]),
        ("x" * 30, 24, ["x" * 24, "x" * 6]),
        ("服务器停止", 5, ["服务", "器停", "止"]),
    ],
)
def test_a_long_word_is_broken_behind_a_sign(text: str, width: int, lines: list[str]) -> None:
    """A colon is the best place, because an id may follow it."""
    assert broken(text, width).split("\n") == lines


@given(st.text(min_size=1, max_size=60), st.integers(2, 30))
def test_breaking_loses_nothing(text: str, width: int) -> None:
    """Whatever the words are, each one fits, and without the line feeds it is what it was."""
    lines = broken(text, width).split("\n")
    assert "".join(lines) == text.replace("\n", "")
    assert all(cell_len(word) <= width for line in lines for word in line.split(" "))


@given(st.lists(st.tuples(st.integers(0, WHOLE), st.integers(0, 60)), min_size=1, max_size=9), st.integers(0, 200))
def test_columns_share_the_room(columns: list[tuple[int, int]], room: int) -> None:
    """No column is narrower than its words, and all together have the room or there is no table."""
    narrowest = [one for one, _ in columns]
    widest = [one + more for one, more in columns]
    widths = shared(widest, narrowest, room)
    if sum(narrowest) > room:
        assert widths == []
    else:
        assert sum(widths) == min(sum(widest), room)
        assert all(low <= one <= high for low, one, high in zip(narrowest, widths, widest, strict=True))
