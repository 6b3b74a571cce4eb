"""The report as one HTML page: tables, and charts drawn as SVG. It loads nothing, so it opens anywhere and offline.

Whatever came from a cloud or a message is escaped: a name must not be able to write into the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from html import escape

from cloudheal.cli.report import rate
from cloudheal.cli.texts import TEXTS
from cloudheal.record.review import Announced, Remedy, Review

STYLE = """
body{font:14px/1.5 system-ui,sans-serif;color:#1b2733;max-width:1100px;margin:2em auto;padding:0 1em}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3em .6em;border-bottom:1px solid #dde3ea;vertical-align:top}th{color:#5a6b7b}
.facts{display:flex;gap:2em}.facts b{display:block;font-size:1.6em}
svg text{font:12px system-ui,sans-serif;fill:#1b2733}
"""
#: Times and ids are read in a line each.
_ROOMY = "body{max-width:1500px}td{white-space:nowrap}"
_BAR, _LABEL, _WIDE = 22, 320, 900
_COLOURS: Mapping[str, str] = {"Avoided": "#2e8b57", "Executed": "#d08700", "Failed": "#c0392b", "Scheduled": "#3b6fb6"}


def page(found: Review, language: str, zone: tzinfo, now: datetime) -> str:
    """Return the whole page."""
    texts = TEXTS[language]

    def text(key: str, **facts: str) -> str:
        return escape(texts[key].format(**facts))

    span = text("report.span", since=_minute(found.since, zone), until=_minute(found.until, zone))

    def heads(*names: str) -> list[str]:
        return [texts[f"column.{name}"] for name in names]

    parts = [
        f"<h1>cloudheal</h1><p>{span}<br>{escape(_minute(now, zone))} {escape(str(zone))}</p>",
        _facts(found, texts),
        f"<h2>{text('title.report.events')}</h2>",
        bars(_by_month(found)),
        _table(heads("month", "type", "events"), ((one.month, one.type, one.events) for one in found.tallies)),
        f"<h2>{text('title.report.announced')}</h2>",
        bars(found.endings, _COLOURS),
        _table(heads(*_ANNOUNCED), (_announced(one, zone) for one in found.announced)),
        f"<h2>{text('title.report.remedies')}</h2>",
        bars({one.playbook: one.incidents for one in found.remedies}),
        _table(heads(*_REMEDIES), (_remedy(one) for one in found.remedies)),
    ]
    head = f'<meta charset="utf-8"><title>cloudheal {span}</title><style>{STYLE}{_ROOMY}</style>'
    return f'<!DOCTYPE html>\n<html lang="{escape(language)}"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def bars(values: Mapping[str, int], colours: Mapping[str, str] | None = None) -> str:
    """Draw a bar for each value; nothing when there is none."""
    if not values:
        return ""
    most, colours = max(1, *values.values()), colours or {}
    drawn = []
    for number, (name, value) in enumerate(values.items()):
        top, wide = number * _BAR, round((_WIDE - _LABEL - 60) * value / most)
        colour = colours.get(name, "#3b6fb6")
        drawn.append(
            f'<text x="0" y="{top + 15}">{escape(name[:48])}</text>'
            f'<rect x="{_LABEL}" y="{top + 3}" width="{wide}" height="{_BAR - 6}" fill="{colour}"/>'
            f'<text x="{_LABEL + wide + 6}" y="{top + 15}">{value}</text>'
        )
    high = len(values) * _BAR
    return f'<svg viewBox="0 0 {_WIDE} {high}" width="100%" height="{high}" role="img">{"".join(drawn)}</svg>'


_ANNOUNCED = ("event", "type", "resource", "published", "decided", "acted", "verified", "not_before", "left", "status")
_VERDICTS = ("incidents", "healed", "not_healed", "not_needed", "unknown", "open")
_REMEDIES = ("playbook", *_VERDICTS, "rate", "median", "p95", "looks", "calls", "worked")


def _facts(found: Review, texts: Mapping[str, str]) -> str:
    healed, incidents = sum(one.healed for one in found.remedies), sum(one.incidents for one in found.remedies)
    shown = {
        texts["column.incidents"]: str(incidents),
        texts["column.healed"]: str(healed),
        texts["report.avoided"]: rate(found.avoided_rate),
        texts["column.left"]: _length(found.left.median),
    }
    told = "".join(f"<div>{escape(name)}<b>{escape(value)}</b></div>" for name, value in shown.items())
    return f'<div class="facts">{told}</div>'


def _by_month(found: Review) -> dict[str, int]:
    months: Counter[str] = Counter()
    for one in found.tallies:
        months[one.month] += one.events
    return dict(months)


def _announced(one: Announced, zone: tzinfo) -> Sequence[object]:
    times = (one.published, one.decided, one.acted, one.verified, one.not_before)
    written = (_minute(each, zone) for each in times)
    return (one.event, one.type, one.resource, *written, _length(one.left), one.status)


def _remedy(one: Remedy) -> Sequence[object]:
    share = rate(one.rate)
    numbers = (one.incidents, one.healed, one.not_healed, one.not_needed, one.unknown, one.open)
    spent = (one.looks, one.calls, _length(one.worked))
    return (one.playbook, *numbers, share, _length(one.to_heal.median), _length(one.to_heal.p95), *spent)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _minute(moment: datetime | None, zone: tzinfo) -> str:
    return "-" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _length(length: timedelta | None) -> str:
    return "-" if length is None else str(timedelta(seconds=round(length.total_seconds())))
