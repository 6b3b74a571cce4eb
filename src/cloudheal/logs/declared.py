"""From the `logs` of a settings file to definitions that can be counted by.

What only the format can tell is checked here: that fields exist, that numbers are compared with numbers, that derived
figures are made of figures there are. Every finding is collected, so that a file is mended once; each names the field
of the file, and `located` adds its line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from cloudheal.errors import SettingsError
from cloudheal.logs import formats
from cloudheal.logs.asked import text_of
from cloudheal.logs.definition import (
    LINE,
    AllOf,
    AnyOf,
    Compare,
    Definition,
    Derived,
    Field,
    Filter,
    Function,
    Kind,
    LineFormat,
    Measure,
    Metric,
    Operator,
    Style,
    UrlRule,
    Urls,
)
from cloudheal.logs.derived import expression
from cloudheal.logs.guessing import Guess, guessed
from cloudheal.logs.names import shown
from cloudheal.model.resource import ResourceId
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.log_filters import LogFilter
from cloudheal.settings.log_measures import LogMeasure
from cloudheal.settings.logs import LogField, LogFormat, LogMetric, LogResource, LogSettings
from cloudheal.settings.part import meant
from cloudheal.settings.samples import first_lines
from cloudheal.settings.schema import Settings

Place = tuple[int | str, ...]
ADVICE = "cloudheal logs preview NAME shows what the format makes of the last lines; the logs page has every word."

#: Characters of a line that an error shows.
_SHOWN = 120
#: Styles whose lines may hold fields that none of the first ones had.
_OPEN = frozenset({Style.JSON, Style.KEYVALUE})
_ORDERED = frozenset({Operator.ABOVE, Operator.FROM, Operator.BELOW, Operator.UP_TO})
_WORDED = frozenset({Operator.CONTAINS, Operator.LACKS})
_OF_ANYTHING = frozenset({Function.COUNT, Function.COUNT_PER_SECOND, Function.DISTINCT})


def definitions_of(
    settings: Settings, sample: Callable[[Sequence[str]], list[bytes]] = first_lines
) -> tuple[Definition, ...]:
    """Return the definitions of a settings file. Raises SettingsError with every finding.

    `sample` returns the first lines of files, for a log of which it is not said how its lines are read.
    """
    maker = _Maker(settings.accounts, settings.timezone, sample)
    found = [maker.definition(log, ("logs", number)) for number, log in enumerate(settings.logs)]
    if maker.findings:
        places = tuple(place for place, _ in maker.findings)
        raise SettingsError(
            "\n".join(message for _, message in maker.findings), what_to_do=ADVICE, field=places[0], fields=places
        )
    return tuple(one for one in found if one is not None)


@dataclass(slots=True)
class _Maker:
    """Makes definitions and collects what is wrong with them."""

    accounts: Sequence[AccountSettings]
    timezone: str
    sample: Callable[[Sequence[str]], list[bytes]]
    findings: list[tuple[Place, str]] = field(default_factory=list)

    def definition(self, log: LogSettings, place: Place) -> Definition | None:
        guess = self._guess(log, place) if log.format is None else None
        form = guess.format if guess else self._format(log, place)
        resource = self._resource(log.resource, (*place, "resource"))
        if form is None:
            return None
        form = self._with_fields(log, form, place)
        made = _Fields(log.name, form, self._find)
        urls = self._urls(log, made, (*place, "urls"))
        metrics = tuple(made.metric(one, (*place, "metrics", number)) for number, one in enumerate(log.metrics))
        files, late, ahead = tuple(log.files), int(log.late.total_seconds()), int(log.ahead.total_seconds())
        written = guess.written if guess else ""
        return Definition(log.name, files, form, metrics, urls, resource, log.group, late, ahead, written, log.olddir)

    def _find(self, place: Place, message: str) -> None:
        where = ".".join(str(part) for part in place)
        self.findings.append((place, " ".join(f"{where}: {message}".split())))

    def _guess(self, log: LogSettings, place: Place) -> Guess | None:
        """Return the format that the first lines have, or tell that they have none of the usual ones."""
        lines = self.sample(log.files)
        found = guessed(lines, _offset(self.timezone)) if lines else None
        if found is None:
            self._find((*place, "name"), f"it has no format, and {_unguessed(log.files[0], lines)}")
        return found

    def _format(self, log: LogSettings, place: Place) -> LineFormat | None:
        if log.format is None:
            return None
        declared = [_field(name, one) for name, one in log.fields.items()]
        try:
            return _format(log.format, declared, _offset(log.format.timezone or self.timezone))
        except SettingsError as problem:
            self._find((*place, "format"), ". ".join(part for part in (problem.args[0], problem.what_to_do) if part))
            return None

    def _with_fields(self, log: LogSettings, form: LineFormat, place: Place) -> LineFormat:
        """Return a format with what is said of its fields."""
        declared = {name: _field(name, one) for name, one in log.fields.items()}
        more = tuple(one for name, one in declared.items() if form.style in _OPEN and form.field(name) is None)
        form = replace(form, fields=(*form.fields, *more))
        known = [one.name for one in form.fields]
        for name in declared:
            if name not in known:
                self._find((*place, "fields", name), _unknown(name, known))
        return replace(form, fields=tuple(declared.get(one.name, one) for one in form.fields))

    def _urls(self, log: LogSettings, fields: _Fields, place: Place) -> Urls | None:
        if log.urls is None:
            return None
        known = fields.known(log.urls.field, (*place, "field"))
        if known is not None and known.kind is not Kind.TEXT:
            self._find((*place, "field"), f"{log.urls.field} is a number and no URL")
        return Urls(log.urls.field, tuple(UrlRule(one.match, one.replace) for one in log.urls.rules))

    def _resource(self, resource: LogResource | None, place: Place) -> ResourceId | None:
        if resource is None:
            return None
        named = [one for one in self.accounts if resource.account in {"", one.name}]
        if len(named) == 1:
            return ResourceId(named[0].cloud, named[0].id, resource.region, resource.kind, resource.id)
        names = [one.name for one in self.accounts]
        known = f"accounts are {', '.join(names)}" if names else "the file has no accounts"
        self._find((*place, "account"), f"which account? {known}{meant(resource.account, names)}")
        return None


@dataclass(frozen=True, slots=True)
class _Fields:
    """Makes the metrics of one format, and tells where they do not fit it."""

    log: str
    form: LineFormat
    find: Callable[[Place, str], None]

    def known(self, name: str, place: Place) -> Field | None:
        """Return a field, or tell that there is none and which one was probably meant."""
        found = self.form.field(name)
        if found is None:
            self.find(place, _unknown(name, [*(one.name for one in self.form.fields), LINE]))
        return found

    def metric(self, metric: LogMetric, place: Place) -> Metric:
        """Return a metric."""
        for number, name in enumerate(metric.by):
            self.known(name, (*place, "by", number))
        where = self._filter(metric.where, (*place, "where")) if metric.where else None
        measures = [self._measure(one, (*place, "measures", number)) for number, one in enumerate(metric.measures)]
        single = [one.alias for one in measures if one.function is not Function.DISTRIBUTION]
        for alias, text in metric.derived.items():
            self._expression(text, single, (*place, "derived", alias))
        derived = tuple(Derived(alias, text) for alias, text in metric.derived.items())
        first, *further = map(int, metric.minutes)
        by, several = tuple(metric.by), tuple(further)
        return Metric(metric.name, where, by, tuple(measures), derived, first, metric.most, several)

    def _expression(self, text: str, names: list[str], place: Place) -> None:
        try:
            expression(text, names)
        except ValueError as problem:
            self.find(place, str(problem))

    def _measure(self, measure: LogMeasure, place: Place) -> Measure:
        percent = measure.percent
        function = Function.PERCENTILE if percent else Function(measure.function)
        if measure.field:
            found = self.known(measure.field, (*place, "field"))
            if found is not None and found.kind is Kind.TEXT and function not in _OF_ANYTHING:
                self.find((*place, "field"), self._no_number(measure.field, measure.function))
        argument = (percent,) if percent else tuple(measure.bounds)
        return Measure(measure.name, function, measure.field or LINE, argument)

    def _filter(self, part: LogFilter, place: Place) -> Filter:
        if part.every is not None:
            return AllOf(tuple(self._filter(one, (*place, "and", at)) for at, one in enumerate(part.every)))
        if part.some is not None:
            return AnyOf(tuple(self._filter(one, (*place, "or", at)) for at, one in enumerate(part.some)))
        compare = Compare(part.field, Operator(part.operator), part.value or "")
        found = self.known(part.field, (*place, "field"))
        if found is not None:
            self._comparable(found, compare, place)
        return compare

    def _comparable(self, found: Field, compare: Compare, place: Place) -> None:
        if found.kind is Kind.TEXT and compare.operator in _ORDERED:
            self.find((*place, "operator"), self._no_number(found.name, compare.operator.value))
        elif found.kind is Kind.NUMBER and compare.operator in _WORDED:
            told = f"{found.name} is a number: compare it with = != > >= < <=, or make it text in `fields`"
            self.find((*place, "operator"), told)
        elif found.kind is Kind.NUMBER and not _is_number(compare.value):
            self.find((*place, "value"), f"{found.name} is a number, and {compare.value!r} is none")

    def _no_number(self, name: str, asked: str) -> str:
        numbers = [one.name for one in self.form.fields if one.kind is Kind.NUMBER]
        known = f"numbers are {', '.join(numbers)}" if numbers else "the format has no numbers"
        return f"{asked} needs a number, and {name} is text; {known}; `fields: {{{name}: number}}` makes it one"


def _unguessed(file: str, lines: Sequence[bytes]) -> str:
    """Say why none could be guessed, and what to do."""
    advice = "write `format:`, such as combined, or the server's own format string"
    if not lines:
        return f"there is no line to guess it by in {file}: {advice}"
    first = shown(text_of(lines[0][:_SHOWN]))
    return f"none of combined, timed, common, JSON with a time and key=value reads lines such as {first!r}: {advice}"


def _format(form: LogFormat, declared: Sequence[Field], zone: int | None) -> LineFormat:
    """Return how lines are read. Raises SettingsError."""
    if form.preset is not None:
        return formats.preset(form.preset)
    if form.nginx is not None:
        return formats.nginx(form.nginx)
    if form.apache is not None:
        return formats.apache(form.apache)
    if form.regex is not None:
        return formats.regex(form.regex, declared, form.time, zone)
    if form.json_lines:
        return formats.json_lines(declared, form.time, zone)
    return formats.key_value(declared, form.time, zone)


def _field(name: str, declared: LogField) -> Field:
    return Field(name, Kind(declared.kind), declared.digits)


def _offset(zone: str) -> int | None:
    """Return seconds east of UTC; None where that depends on the season, since a log does not tell which it means."""
    if zone[:1] in {"+", "-"}:
        hours, minutes = zone[1:].split(":")
        return (int(hours) * 3600 + int(minutes) * 60) * (-1 if zone[0] == "-" else 1)
    offsets = {datetime(2025, month, 1, tzinfo=ZoneInfo(zone)).utcoffset() for month in range(1, 13)}
    (first, *others) = offsets
    return int(first.total_seconds()) if first is not None and not others else None


def _is_number(text: str) -> bool:
    whole, _, decimals = text.removeprefix("-").partition(".")
    return text.isascii() and whole.isdigit() and (decimals.isdigit() or not decimals)


def _unknown(name: str, known: list[str]) -> str:
    return f"no field is called {name}{meant(name, known)}; there are {', '.join(known)}"
