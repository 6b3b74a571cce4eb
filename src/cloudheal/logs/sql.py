"""What a metric means, as the SQL that CloudMonitor's console and everybody's head has for it.

For people to read and for other engines to confirm: fields are columns, `line` is the whole line, and each window is
asked by itself. Names of series made by the URL normaliser are what a column would have to hold.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from cloudheal.logs.definition import (
    AllOf,
    AnyOf,
    Compare,
    Definition,
    Filter,
    Function,
    Kind,
    LineFormat,
    Measure,
    Metric,
    Operator,
)
from cloudheal.logs.derived import Expression, expression

_FORMS: Final[Mapping[Function, str]] = {
    Function.COUNT: "count(*)",
    Function.COUNT_PER_SECOND: "count(*) / {seconds}",
    Function.SUM_PER_SECOND: "sum({field}) / {seconds}",
    Function.DISTINCT: "count(distinct {field})",
    Function.PERCENTILE: "approx_percentile({field}, {share})",
}
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


def sql(definition: Definition, metric: Metric) -> str:
    """Return the SQL of a metric, one line for each part."""
    measures = {one.alias: _measured(one, metric.minutes * 60) for one in metric.measures}
    single = [alias for one in metric.measures if one.function is not Function.DISTRIBUTION for alias in [one.alias]]
    found = {one.alias: _arithmetic(expression(one.expression, single), measures) for one in metric.derived}
    groups = [_column(name) for name in metric.by]
    columns = [*groups, *(_named(one, measures[one.alias]) for one in metric.measures)]
    columns += [f"{text} as {_column(alias)}" for alias, text in found.items()]
    lines = [f"select {', '.join(columns)}", f"from {_column(definition.name)}"]
    if metric.where is not None:
        lines.append(f"where {_filter(metric.where, definition.format, outermost=True)}")
    if groups:
        lines.append(f"group by {', '.join(groups)}")
    return "\n".join(lines)


def _named(measure: Measure, text: str) -> str:
    return text if measure.function is Function.DISTRIBUTION else f"{text} as {_column(measure.alias)}"


def _measured(measure: Measure, seconds: int) -> str:
    field = _column(measure.field)
    if measure.function is Function.DISTRIBUTION:
        return ", ".join(_shares(measure, field))
    share = f"{measure.argument[0] / 100:.10g}" if measure.argument else ""
    form = _FORMS.get(measure.function, "{function}({field})")
    return form.format(function=measure.function.value, field=field, seconds=f"{seconds}.0", share=share)


def _shares(measure: Measure, field: str) -> list[str]:
    bounds = measure.argument
    tests = [f"{field} <= {bounds[0]:.10g}"]
    tests += [f"{field} > {low:.10g} and {field} <= {high:.10g}" for low, high in pairwise(bounds)]
    tests.append(f"{field} > {bounds[-1]:.10g}")
    return [
        f"sum(case when {test} then 1 else 0 end) as {_column(f'{measure.alias}_{number}')}"
        for number, test in enumerate(tests, 1)
    ]


def _arithmetic(found: Expression, measures: Mapping[str, str]) -> str:
    """Write an expression over the measures themselves; a division by zero is null, which is no point."""

    def written(node: ast.expr) -> str:
        match node:
            case ast.BinOp(left, ast.Div(), right):
                return f"(cast({written(left)} as double) / nullif({written(right)}, 0))"
            case ast.BinOp(left, sign, right):
                return f"({written(left)} {_SIGNS[type(sign)]} {written(right)})"
            case ast.UnaryOp(sign, operand):
                return f"(-{written(operand)})" if isinstance(sign, ast.USub) else written(operand)
            case ast.Name(id):
                return measures[found.name_of(id)]
        return ast.unparse(node)

    return written(found.tree)


def _filter(part: Filter, form: LineFormat, *, outermost: bool = False) -> str:
    match part:
        case Compare():
            return _compare(part, form)
        case AllOf(parts) | AnyOf(parts):
            word = " and " if isinstance(part, AllOf) else " or "
            text = word.join(_filter(one, form) for one in parts)
            return text if outermost or len(parts) == 1 else f"({text})"


def _compare(part: Compare, form: LineFormat) -> str:
    field = form.field(part.field)
    column = _column(part.field)
    if part.operator in {Operator.CONTAINS, Operator.LACKS}:
        negated = "not " if part.operator is Operator.LACKS else ""
        pattern = part.value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        escape = " escape '\\'" if pattern != part.value else ""
        return f"{column} {negated}like {_literal(f'%{pattern}%')}{escape}"
    value = part.value if field is not None and field.kind is Kind.NUMBER else _literal(part.value)
    return f"{column} {part.operator.value} {value}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _column(name: str) -> str:
    """Return a name as it is where SQL allows that, else between quotes."""
    plain = name.isascii() and name.isidentifier()
    return name if plain else '"' + name.replace('"', '""') + '"'
