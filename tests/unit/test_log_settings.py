"""Definitions of logs are read strictly; what is wrong is told by line, with what was probably meant."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from cloudheal.errors import SettingsError
from cloudheal.logs.declared import definitions_of
from cloudheal.logs.definition import AllOf, AnyOf, Compare, Definition, Derived, Function, Kind, Measure, Operator
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.settings import load_settings
from cloudheal.settings.loader import located
from tests.unit.log_cases import defined, metric

GOOD = """
logs:
  - name: access
    files: [access.log]
    format: timed
    urls: {field: url}
    metrics:
      - name: slow
        where:
          - status >= 200
          - or: [method = GET, method = POST]
        by: [url]
        measures:
          - count() as requests
          - p99(request_time)
        derived:
          per_ms: requests / request_time_p99
"""


def read(folder: Path, text: str) -> tuple[Definition, ...]:
    """Read a settings file as commands do."""
    path = folder / "cloudheal.yaml"
    path.write_text(text, encoding="utf-8")
    settings = load_settings(path)
    with located(path):
        return definitions_of(settings)


def test_a_definition_says_what_was_written(tmp_path: Path) -> None:
    """Files are beside the settings file, a list means all of them, names are made where none is given."""
    (found,) = read(tmp_path, GOOD)
    assert found.files == (str(tmp_path / "access.log"),)
    (slow,) = found.metrics
    assert slow.where == AllOf(
        (
            Compare("status", Operator.FROM, "200"),
            AnyOf((Compare("method", Operator.EQUAL, "GET"), Compare("method", Operator.EQUAL, "POST"))),
        )
    )
    assert slow.measures == (
        Measure("requests", Function.COUNT, "line"),
        Measure("request_time_p99", Function.PERCENTILE, "request_time", (99.0,)),
    )
    assert slow.derived == (Derived("per_ms", "requests / request_time_p99"),)
    assert (slow.by, slow.minutes, slow.most, found.late) == (("url",), 1, 1000, 60)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("files:", "file:", r":4: logs\.0\.file: Extra inputs are not permitted; did you mean files\?"),
        ("format: timed", "format: combind", r":5: logs\.0\.format: no format is called 'combind'"),
        ("format: timed", "format: {nginxx: a}", r":5: logs\.0\.format\.nginxx: .*did you mean nginx\?"),
        ("format: timed", "format: {nginx: '$a$b'}", r":5: logs\.0\.format: nothing stands between a and b"),
        ("format: timed", "format: {json: true}", r":5: logs\.0\.format: it is not said which field has the time"),
        ("format: timed", "format: {}", r":5: logs\.0\.format: .*expected one of preset, nginx"),
        ("{field: url}", "{field: uri}", r":6: logs\.0\.urls\.field: no field is called uri; did you mean url\?"),
        ("{field: url}", "{field: status}", r":6: .*status is a number and no URL"),
        ("{field: url}", "{rules: [{match: '('}]}", r":6: logs\.0\.urls\.rules\.0: .*not a rule"),
        ("{field: url}", "{rules: [{match: a, replace: '\\1'}]}", r":6: .*not a rule: .*is no group"),
        ("metrics:", "metric:", r":7: logs\.0\.metric: .*did you mean metrics\?"),
        ("status >= 200", "stauts >= 200", r":10: .*where\.and\.0\.field: no field is called stauts; did you mean st"),
        ("status >= 200", "status >= ok", r":10: .*status is a number, and 'ok' is none"),
        ("status >= 200", "url >= 200", r":10: .*>= needs a number, and url is text; numbers are request_time"),
        ("status >= 200", "status contains 2", r":10: .*status is a number: compare it with"),
        ("status >= 200", "status", r":10: .*expected a comparison such as `status >= 400`"),
        ("status >= 200", "status >= 200 and status < 400", r":10: .*one comparison in each text: write `and:"),
        ("status >= 200", "{field: status, operator: '=>', value: 1}", r":10: .*operator: Input should be '='"),
        ("status >= 200", "{field: status}", r":10: .*a comparison has a field and a value"),
        ("method = POST]", "methd = POST]", r":11: .*or\.1\.field: no field is called methd; did you mean method"),
        ("by: [url]", "by: [ulr]", r":12: .*by\.0: no field is called ulr; did you mean url\?"),
        ("by: [url]", "by: [url, url]", r":12: .*a field is named twice"),
        ("p99(request_time)", "p99(request_tim)", r":15: .*did you mean request_time\?"),
        ("p99(request_time)", "p99(url)", r":15: .*p99 needs a number, and url is text"),
        ("p99(request_time)", "p100(request_time)", r":15: .*expected count, countps.* or a percentile such as p99"),
        ("p99(request_time)", "average(request_time)", r":15: .*expected count"),
        ("p99(request_time)", "averag(request_time)", r":15: .*got 'averag'; did you mean avg\?"),
        ("p99(request_time)", "avg request_time", r":15: .*expected a statistic such as"),
        ("p99(request_time)", "distribution(request_time", r":15: .*a comma ends it inside of.*put it in quo"),
        ("p99(request_time)", "avg()", r":15: .*avg needs a field"),
        ("p99(request_time)", "distribution(request_time)", r":15: .*distribution needs bounds"),
        ("p99(request_time)", "distribution(request_time, 2, 1)", r":15: .*bounds rise"),
        ("p99(request_time)", "avg(request_time) as requests", r":8: .*two measures are called requests"),
        ("p99(request_time)", "avg(request_time) as 平均", r":15: .*alias: String should match pattern"),
        ("requests / request_time_p99", "request / 2", r":17: .*no measure is called request; known are requests"),
        ("requests / request_time_p99", "requests ** 2", r":17: .*not arithmetic"),
        ("derived:", "minutes: 7\n        derived:", r":16: .*minutes.0: Input should be 1, 2, 3, 4, 5, 10, 15"),
        ("- name: slow", "- name: slow-ones", r":8: .*name: String should match pattern"),
        ("name: access", "name: access\n    late: 2h", r":4: .*late: .*expected at most 1h"),
        ("name: access", "name: access\n    ahead: 2h", r":4: .*ahead: expected at most 30m"),
        ("name: access", "name: access\n    fields: {statsu: text}", r":4: .*statsu: no field is called statsu; did"),
        ("name: access", "name: access\n    fields: {status: int}", r":4: .*expected text, number, whole"),
        ("name: access", "name: access\n    resource: {region: r, id: i}", r":4: .*which account\? the file has no a"),
    ],
)  # fmt: skip
def test_a_bad_definition_is_told_by_line_and_fix(tmp_path: Path, old: str, new: str, told: str) -> None:
    """What a user of CloudMonitor gets wrong most, each with what to write instead."""
    assert old in GOOD
    with pytest.raises(SettingsError, match=told):
        read(tmp_path, GOOD.replace(old, new))


def test_every_finding_is_told_at_once(tmp_path: Path) -> None:
    """A file is mended once and not once for each mistake."""
    text = GOOD.replace("[url]", "[ulr]").replace("p99(request_time)", "p99(rt)").replace("method = GET", "methd = GET")
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    lines = str(caught.value.args[0]).splitlines()
    assert [line.partition("cloudheal.yaml:")[2].split(":")[0] for line in lines] == ["11", "12", "15", "17"]


def test_names_are_unique(tmp_path: Path) -> None:
    """Two logs, or two metrics of a log, cannot be told apart by their series."""
    with pytest.raises(SettingsError, match="two logs have the same name"):
        read(tmp_path, GOOD + GOOD.partition("logs:\n")[2])
    with pytest.raises(SettingsError, match="two metrics are named slow"):
        read(tmp_path, GOOD + GOOD.partition("    metrics:\n")[2])


def test_a_machine_that_only_follows_logs_needs_no_account(tmp_path: Path) -> None:
    """But a file must be about something."""
    assert read(tmp_path, GOOD)
    with pytest.raises(SettingsError, match="expected at least one of accounts and logs"):
        read(tmp_path, "accounts: []\n")


def test_a_log_can_be_about_a_server(tmp_path: Path) -> None:
    """Its alarms are events of that server then."""
    accounts = 'accounts: [{name: prod, cloud: tencent, id: "100000000001", regions: [ap-guangzhou]}]\n'
    resource = "    resource: {account: prod, region: ap-guangzhou, id: ins-1}\n"
    (found,) = read(tmp_path, accounts + GOOD + resource)
    assert found.resource == ResourceId(Cloud.TENCENT, "100000000001", "ap-guangzhou", "instance", "ins-1")
    with pytest.raises(SettingsError, match=r"account: which account\? accounts are prod; did you mean prod\?"):
        read(tmp_path, accounts + GOOD + resource.replace("account: prod", "account: prd"))


PUT_LOG_MONITOR: dict[str, Any] = {
    "MetricName": "errors",
    "Aggregates": [
        {"FieldName": "status", "Function": "count", "Alias": "5XXNumber"},
        {"FieldName": "request_time", "Function": "P99", "Alias": "rt_P99"},
        {"FieldName": "url", "Function": "DISTINCT", "Alias": "urls"},
    ],
    "ValueFilterRelation": "or",
    "ValueFilter": [
        {"Key": "url", "Operator": "contain", "Value": "/api"},
        {"Key": "url", "Operator": "notContain", "Value": "static"},
        {"Key": "status", "Operator": ">=", "Value": 500},
    ],
    "Groupbys": [{"FieldName": "url", "Alias": "url"}, {"FieldName": "method"}],
    "Tumblingwindows": "300",
    "MetricExpress": '{"extend": {"percent": "5XXNumber / urls * 100"}}',
}


def test_what_put_log_monitor_says_is_understood() -> None:
    """A definition of CloudMonitor is the same metric as ours."""
    ours = """
    name: errors
    where: {or: [url contains /api, url notContains static, status >= 500]}
    by: [url, method]
    measures: [count(status) as 5XXNumber, p99(request_time) as rt_P99, distinct(url) as urls]
    derived: {percent: 5XXNumber / urls * 100}
    minutes: 5
    """
    theirs = defined("{}", metrics=[PUT_LOG_MONITOR])
    assert theirs.metrics == defined("{}", metrics=[yaml.safe_load(dedent(ours))]).metrics


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"SlsProject": "p"}, "SlsProject: logs are read from files: name them in `files`"),
        ({"GroupId": 1}, "GroupId: name the group in `group` of the log"),
        ({"Tumblingwindows": "90"}, "Input should be 1, 2, 3"),
        ({"Groupbys": [{"FieldName": "url", "Alias": "path"}]}, "leave out the Alias of url"),
        ({"MetricExpress": "{"}, "MetricExpress: expected"),
        ({"Aggregate": []}, "Aggregate\n.*did you mean Aggregates"),
    ],
)
def test_what_has_no_meaning_here_is_refused_with_what_to_write(more: dict[str, Any], told: str) -> None:
    """Nothing of a definition is dropped in silence."""
    with pytest.raises(ValueError, match=told):
        defined("{}", metrics=[PUT_LOG_MONITOR | more])


def test_a_mistake_in_their_words_is_told_at_their_line(tmp_path: Path) -> None:
    """The file is not ours, but its lines are."""
    text = GOOD.replace(
        "          - p99(request_time)\n", "          - FieldName: request_time\n            Function: P100\n"
    )
    with pytest.raises(SettingsError, match=r":16: logs\.0\.metrics\.0\.measures\.1\.Function: .*percentile"):
        read(tmp_path, text)


def test_fields_of_applications_are_what_they_are_declared_to_be() -> None:
    """One word, or how many decimals are kept."""
    text = """
    format: {json: true, time: ts, timezone: '-03:30'}
    fields: {cost: number, code: whole, host: text, ns: {digits: 9}}
    metrics: [{name: m, measures: [sum(cost), max(ns)]}]
    """
    form = defined(text).format
    assert [(one.name, one.kind, one.digits) for one in form.fields] == [
        ("cost", Kind.NUMBER, 3),
        ("code", Kind.NUMBER, 0),
        ("host", Kind.TEXT, 0),
        ("ns", Kind.NUMBER, 9),
    ]
    assert (form.time, form.zone) == ("ts", -12_600)


def test_a_variable_of_ones_own_can_be_a_number() -> None:
    """A format knows the usual variables only."""
    definition = metric(
        "measures: [avg(upstream_http_x_cost)]",
        format={"nginx": "[$time_local] $upstream_http_x_cost"},
        fields={"upstream_http_x_cost": "number"},
    )
    assert definition.format.fields[-1].kind is Kind.NUMBER


@pytest.mark.parametrize(("zone", "offset"), [("Asia/Shanghai", 28_800), ("UTC", 0), ("Europe/Berlin", None)])
def test_times_without_a_zone_are_the_operators_where_it_has_no_seasons(tmp_path: Path, zone: str, offset: int) -> None:
    """Where the clocks change a log must say which time it means."""
    log = "    format: {json: true, time: t}\n    metrics: [{name: m, measures: [count()]}]\n"
    text = f"timezone: {zone}\nlogs:\n  - name: a\n    files: [a]\n{log}"
    (found,) = read(tmp_path, text)
    assert found.format.zone == offset
