"""CloudMonitor's metric calls, made with the vendor's current SDK (alibabacloud_cms20190101, ACS3 signature)."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alibabacloud_cms20190101 import models
from alibabacloud_cms20190101.client import Client

from tests.sim.simulator import RunningSimulator
from tests.sim.tea import config, refusal

NOW = "2026-03-02T03:00:00Z"
NOW_MS = 1772420400000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ECS = {"namespace": "acs_ecs_dashboard", "metric_name": "cpu_total"}


@pytest.fixture
def cms(stepped: RunningSimulator) -> Client:
    """The SDK's client, pointed at a simulator whose time stands still."""
    return Client(config(stepped))


def world(sim: RunningSimulator, instances: int = 2, **more: Any) -> None:
    """Begin with running instances named i-bp1m0000 and so on, no quotas in the way."""
    quotas = {f"cms:{name}": 0 for name in ("DescribeMetricList", "DescribeMetricLast")}
    fleet = [{"id": f"i-bp1m{number:04}", "region": "cn-hangzhou", "name": f"m{number}"} for number in range(instances)]
    sim.world({"now": NOW, "quotas": quotas, "alibaba": {"instances": fleet, **more}})


def page(cms: Client, **query: Any) -> Any:
    """Ask for one page of a range."""
    return cms.describe_metric_list(models.DescribeMetricListRequest(**{**ECS, **query})).body


def everything(cms: Client, **query: Any) -> list[dict[str, Any]]:
    """Read a range to its end."""
    points: list[dict[str, Any]] = []
    token = None
    while True:
        body = page(cms, next_token=token, **query)
        points += json.loads(body.datapoints)
        token = body.next_token
        if not token:
            return points


def last(cms: Client, **query: Any) -> list[dict[str, Any]]:
    """Ask for the newest points."""
    body = cms.describe_metric_last(models.DescribeMetricLastRequest(**{**ECS, **query})).body
    found: list[dict[str, Any]] = json.loads(body.datapoints)
    return found


def test_a_day_of_25_instances_is_36000_points_exactly(stepped: RunningSimulator, cms: Client) -> None:
    """24 hours at 60 seconds read page by page give every minute of every instance once (requirement S4.16)."""
    world(stepped, 25)
    start, stop = NOW_MS - DAY - HOUR, NOW_MS - HOUR
    points = everything(cms, start_time=str(start), end_time=str(stop), period="60", length="1440")
    assert len(points) == 36_000
    assert len({(point["instanceId"], point["timestamp"]) for point in points}) == 36_000
    assert {point["timestamp"] for point in points} == set(range(start + MINUTE, stop + 1, MINUTE))
    assert points == sorted(points, key=lambda point: (point["timestamp"], point["instanceId"]))


def test_a_point_says_what_the_sdk_documentation_shows(stepped: RunningSimulator, cms: Client) -> None:
    """Datapoints is a JSON array in a string; each has its time, its dimensions and its statistics."""
    world(stepped, 1)
    body = page(cms, start_time=str(NOW_MS - 30 * MINUTE), end_time=str(NOW_MS - 29 * MINUTE), period="60")
    assert (str(body.code), body.success, body.period, body.next_token) == ("200", True, "60", None)
    assert isinstance(body.datapoints, str)
    (point,) = json.loads(body.datapoints)
    assert point.keys() == {"timestamp", "userId", "instanceId", "Average", "Minimum", "Maximum"}
    assert (point["timestamp"], point["instanceId"]) == (NOW_MS - 29 * MINUTE, "i-bp1m0000")
    assert 0 <= point["Minimum"] <= point["Average"] <= point["Maximum"] <= 100


@pytest.mark.parametrize("length", [1, 7, 1000])
def test_pages_of_any_length_make_the_same_whole(stepped: RunningSimulator, cms: Client, length: int) -> None:
    """What a range holds does not depend on how it is cut, and the last page has no token."""
    world(stepped, 3)
    span = {"start_time": str(NOW_MS - 20 * MINUTE), "end_time": str(NOW_MS - 10 * MINUTE)}
    assert everything(cms, length=str(length), **span) == json.loads(page(cms, **span).datapoints)


def test_pages_show_the_moment_of_the_first_one(stepped: RunningSimulator, cms: Client) -> None:
    """Points that become visible while a client reads on do not shift its pages."""
    world(stepped, 3)
    span = {"start_time": str(NOW_MS - 20 * MINUTE), "end_time": str(NOW_MS)}
    whole = json.loads(page(cms, **span).datapoints)
    first = page(cms, length="5", **span)
    stepped.advance(600)
    rest = page(cms, next_token=first.next_token, **span)
    assert json.loads(first.datapoints) + json.loads(rest.datapoints) == whole


def test_a_token_of_another_query_is_refused(stepped: RunningSimulator, cms: Client) -> None:
    """A page token belongs to its query; one that is not a token at all is refused as well."""
    world(stepped, 2)
    token = page(cms, length="1").next_token
    for query in ({"next_token": token, "period": "300"}, {"next_token": "nonsense"}, {"next_token": token[:-4]}):
        request = models.DescribeMetricListRequest(**{**ECS, **query})
        assert refusal(cms.describe_metric_list, request).status_code == 400


def test_every_way_to_write_a_time_means_the_same(stepped: RunningSimulator, cms: Client) -> None:
    """Milliseconds, seconds, ISO text, and text without a zone, which is the time of China (requirement C3)."""
    world(stepped, 1)
    moments = [
        (NOW_MS - 20 * MINUTE, NOW_MS - 10 * MINUTE),
        ((NOW_MS - 20 * MINUTE) // 1000, (NOW_MS - 10 * MINUTE) // 1000),
        ("2026-03-02T02:40:00Z", "2026-03-02T02:50:00Z"),
        ("2026-03-02 10:40:00", "2026-03-02 10:50:00"),
    ]
    told = [everything(cms, start_time=str(start), end_time=str(stop)) for start, stop in moments]
    assert len(told[0]) == 10
    assert all(points == told[0] for points in told)


def test_every_way_to_name_instances_means_the_same(stepped: RunningSimulator, cms: Client) -> None:
    """A list of objects, one object, single quotes, bare ids; ids that do not exist have no points."""
    world(stepped, 3)
    span = {"start_time": str(NOW_MS - 20 * MINUTE), "end_time": str(NOW_MS - 10 * MINUTE)}
    ways = [
        '[{"instanceId":"i-bp1m0001"}]',
        '{"instanceId":"i-bp1m0001"}',
        "[{'instanceId':'i-bp1m0001'}]",
        '["i-bp1m0001"]',
        '[{"instanceId":"i-bp1m0001"},{"instanceId":"i-bp1nobody"}]',
    ]
    told = [everything(cms, dimensions=way, **span) for way in ways]
    assert {point["instanceId"] for point in told[0]} == {"i-bp1m0001"}
    assert all(points == told[0] for points in told)
    assert {point["instanceId"] for point in everything(cms, **span)} == {f"i-bp1m000{n}" for n in range(3)}


@pytest.mark.parametrize(
    "query",
    [
        {"dimensions": json.dumps([{"instanceId": f"i-{number}"} for number in range(51)])},
        {"dimensions": "not json"},
        {"period": "61"},
        {"period": "soon"},
        {"length": "1441"},
        {"length": "0"},
        {"start_time": str(NOW_MS), "end_time": str(NOW_MS - 1)},
        {"start_time": str(NOW_MS - 31 * DAY - 1), "end_time": str(NOW_MS)},
        {"start_time": "yesterday"},
        {"express": '{"having":1}'},
    ],
)
def test_a_query_that_cannot_be_is_refused_with_400(
    stepped: RunningSimulator, cms: Client, query: dict[str, str]
) -> None:
    """Limits and forms are checked as documented."""
    world(stepped, 1)
    problem = refusal(cms.describe_metric_list, models.DescribeMetricListRequest(**{**ECS, **query}))
    assert (problem.status_code, problem.code) == (400, "InvalidParameter")


@pytest.mark.parametrize(("namespace", "metric"), [("acs_ecs_dashboard", "cpu_totl"), ("acs_nothing", "cpu_total")])
def test_an_unknown_metric_is_not_found(stepped: RunningSimulator, cms: Client, namespace: str, metric: str) -> None:
    """A wrong namespace or metric name is an error, not an empty answer."""
    world(stepped, 1)
    request = models.DescribeMetricListRequest(namespace=namespace, metric_name=metric)
    problem = refusal(cms.describe_metric_list, request)
    assert (problem.status_code, problem.code) == (404, "ResourceNotFound")


def test_points_become_visible_only_after_their_delay(stepped: RunningSimulator, cms: Client) -> None:
    """With a delay of 90 seconds the point of a minute is absent at 89 and there at 90."""
    world(stepped, 1, metric_delay_seconds=90)
    stepped.advance(89)
    assert last(cms)[0]["timestamp"] == NOW_MS - MINUTE
    stepped.advance(1)
    assert last(cms)[0]["timestamp"] == NOW_MS


def test_reading_with_overlap_gets_every_late_point_once(stepped: RunningSimulator, cms: Client) -> None:
    """Delays of 0 to 8 minutes: polls with a window of ten minutes miss nothing and values never change (S4.17)."""
    world(stepped, 3, metric_delay_seconds=[0, 480])
    stepped.advance(480)
    seen: dict[tuple[str, int], dict[str, Any]] = {}
    for minute in range(30):
        stepped.advance(60)
        now = NOW_MS + 480_000 + (minute + 1) * MINUTE
        for point in everything(cms, start_time=str(now - 10 * MINUTE), end_time=str(now)):
            assert seen.setdefault((point["instanceId"], point["timestamp"]), point) == point
    counted = Counter(instance for instance, at in seen if NOW_MS < at <= NOW_MS + 30 * MINUTE)
    assert counted == {f"i-bp1m000{number}": 30 for number in range(3)}


def test_polling_last_over_each_of_the_latest_minutes_gets_each_point_once(
    stepped: RunningSimulator, cms: Client
) -> None:
    """The newest point up to each of the last nine minutes, polled every minute, gives every point."""
    world(stepped, 2, metric_delay_seconds=[0, 480])
    seen: dict[tuple[str, int], dict[str, Any]] = {}
    for minute in range(1, 25):
        stepped.advance(60)
        for back in range(10):
            end = NOW_MS + (minute - back) * MINUTE
            for point in last(cms, end_time=str(end)):
                assert seen.setdefault((point["instanceId"], point["timestamp"]), point) == point
    counted = Counter(instance for instance, at in seen if NOW_MS < at <= NOW_MS + 15 * MINUTE)
    assert counted == {"i-bp1m0000": 15, "i-bp1m0001": 15}


def test_last_looks_back_two_hours_and_no_further(stepped: RunningSimulator, cms: Client) -> None:
    """An instance that stopped three hours ago has no newest point; one that stopped an hour ago has."""
    stopped = {"instance": "i-bp1m0000", "since": "2026-03-02T00:00:00Z", "missing": True}
    lately = {"instance": "i-bp1m0001", "since": "2026-03-02T02:00:00Z", "missing": True}
    world(stepped, 3, metric_overrides=[stopped, lately])
    found = {point["instanceId"]: point["timestamp"] for point in last(cms)}
    assert found.keys() == {"i-bp1m0001", "i-bp1m0002"}
    assert found["i-bp1m0001"] == NOW_MS - HOUR


def test_last_is_read_page_by_page(stepped: RunningSimulator, cms: Client) -> None:
    """Pages of two over five instances are three pages with one point each instance."""
    world(stepped, 5)
    found: list[str] = []
    token = None
    pages = 0
    while pages == 0 or token:
        body = cms.describe_metric_last(models.DescribeMetricLastRequest(**ECS, length="2", next_token=token)).body
        found += [point["instanceId"] for point in json.loads(body.datapoints)]
        token, pages = body.next_token, pages + 1
    assert (found, pages) == ([f"i-bp1m000{number}" for number in range(5)], 3)


def test_a_stopped_instance_has_no_points_while_it_is_stopped(stepped: RunningSimulator, cms: Client) -> None:
    """Points end when the instance stops, and what was before stays."""
    world(stepped, 1, metric_delay_seconds=0)
    before = everything(cms, start_time=str(NOW_MS - 10 * MINUTE), end_time=str(NOW_MS))
    stepped.chaos("power_off", "i-bp1m0000")
    stepped.advance(600)
    now = NOW_MS + 10 * MINUTE
    assert everything(cms, start_time=str(NOW_MS + MINUTE), end_time=str(now)) == []
    assert everything(cms, start_time=str(NOW_MS - 10 * MINUTE), end_time=str(NOW_MS))[:9] == before[:9]


def test_retention_ends_at_31_days_for_minutes_and_91_for_longer_periods(
    stepped: RunningSimulator, cms: Client
) -> None:
    """Asking for 40 days of minutes gets no point older than 31; five minutes are kept for 91 (C6)."""
    world(stepped, 1)
    day_32 = {"start_time": str(NOW_MS - 32 * DAY), "end_time": str(NOW_MS - 32 * DAY + HOUR)}
    assert everything(cms, period="60", **day_32) == []
    assert len(everything(cms, period="300", **day_32)) == 12
    day_92 = {"start_time": str(NOW_MS - 92 * DAY), "end_time": str(NOW_MS - 92 * DAY + HOUR)}
    assert everything(cms, period="300", **day_92) == []
    day_8 = {"start_time": str(NOW_MS - 8 * DAY), "end_time": str(NOW_MS - 8 * DAY + HOUR)}
    assert everything(cms, period="15", **day_8) == []
    assert len(everything(cms, period="60", **day_8)) == 60


def test_more_than_20_lists_a_second_are_throttled(stepped: RunningSimulator, cms: Client) -> None:
    """The 21st call within one second is refused with Throttling.User; in the next second calls work again."""
    stepped.world({"now": NOW})
    request = models.DescribeMetricListRequest(**ECS)
    for _ in range(20):
        cms.describe_metric_list(request)
    problem = refusal(cms.describe_metric_list, request)
    assert (problem.status_code, problem.code) == (400, "Throttling.User")
    stepped.advance(1)
    assert cms.describe_metric_list(request).body.success


def test_chosen_values_are_told_as_they_are(stepped: RunningSimulator, cms: Client) -> None:
    """A series from the world stands in for drawn values, for one instance, metric and span."""
    series = {"metric": "cpu_total", "instance": "i-bp1m0001", "since": "2026-03-02T02:30:00Z", "values": [5, 50, 95]}
    world(stepped, 2, metric_overrides=[series])
    span = {"start_time": str(NOW_MS - 30 * MINUTE), "end_time": str(NOW_MS - 27 * MINUTE)}
    told = everything(cms, dimensions='{"instanceId":"i-bp1m0001"}', **span)
    assert [point["Average"] for point in told] == [5, 50, 95]
    assert [point["Average"] for point in everything(cms, dimensions='{"instanceId":"i-bp1m0000"}', **span)] != [
        5,
        50,
        95,
    ]


def test_cpu_load_by_chaos_shows_in_the_metrics(stepped: RunningSimulator, cms: Client) -> None:
    """A load of 97 % for five minutes begins with the next point and ends."""
    world(stepped, 1, metric_delay_seconds=0)
    stepped.chaos("cpu_load", "i-bp1m0000", percent=97, seconds=300)
    stepped.advance(600)
    points = everything(cms, start_time=str(NOW_MS), end_time=str(NOW_MS + 10 * MINUTE))
    assert [point["Average"] == 97 for point in points] == [True] * 5 + [False] * 5


def test_top_ranks_by_the_asked_statistic_in_the_documented_odd_direction(
    stepped: RunningSimulator, cms: Client
) -> None:
    """Without OrderDesc the greatest is first; OrderDesc=True means ascending. Points carry order and _count."""
    chosen = [{"metric": "cpu_total", "instance": f"i-bp1m000{n}", "value": 10.0 * n} for n in range(4)]
    world(stepped, 4, metric_overrides=chosen)
    top = cms.describe_metric_top(models.DescribeMetricTopRequest(**ECS, orderby="Average", length="3")).body
    rows = json.loads(top.datapoints)
    assert [(row["order"], row["_count"], row["Average"]) for row in rows] == [(1, 1, 30), (2, 1, 20), (3, 1, 10)]
    upward = models.DescribeMetricTopRequest(**ECS, orderby="Average", order_desc="True")
    assert [row["Average"] for row in json.loads(cms.describe_metric_top(upward).body.datapoints)] == [0, 10, 20, 30]


@pytest.mark.parametrize("query", [{"orderby": "Median"}, {"orderby": "Average", "start_time": str(NOW_MS - 3 * HOUR)}])
def test_top_refuses_what_it_cannot_rank(stepped: RunningSimulator, cms: Client, query: dict[str, str]) -> None:
    """A statistic that the metric has not, or more than two hours of minutes."""
    world(stepped, 1)
    request = models.DescribeMetricTopRequest(**ECS, **query)
    assert refusal(cms.describe_metric_top, request).status_code == 400


def test_metric_data_is_the_range_without_pages(stepped: RunningSimulator, cms: Client) -> None:
    """DescribeMetricData gives the same points as DescribeMetricList."""
    world(stepped, 2)
    span = {"start_time": str(NOW_MS - 20 * MINUTE), "end_time": str(NOW_MS - 10 * MINUTE)}
    body = cms.describe_metric_data(models.DescribeMetricDataRequest(**ECS, **span)).body
    assert json.loads(body.datapoints) == everything(cms, **span)


def test_grouping_joins_series(stepped: RunningSimulator, cms: Client) -> None:
    """Grouped by user, two instances are one series: mean of averages, least and greatest of the others."""
    chosen = [{"metric": "cpu_total", "instance": f"i-bp1m000{n}", "value": 20.0 + 40 * n} for n in range(2)]
    world(stepped, 2, metric_overrides=chosen)
    span = {"start_time": str(NOW_MS - 20 * MINUTE), "end_time": str(NOW_MS - 19 * MINUTE)}
    (point,) = everything(cms, express='{"groupby":["userId"]}', **span)
    assert point == {
        "timestamp": NOW_MS - 19 * MINUTE,
        "userId": "1000000000000001",
        "Average": 40.0,
        "Minimum": 20.0,
        "Maximum": 60.0,
    }


def test_metrics_with_further_dimensions_have_a_series_each(stepped: RunningSimulator, cms: Client) -> None:
    """Connections are told by state, and one state can be asked for."""
    world(stepped, 1)
    query = {"metric_name": "net_tcpconnection", "start_time": str(NOW_MS - 20 * MINUTE)}
    stop = {"end_time": str(NOW_MS - 19 * MINUTE)}
    assert {one["state"] for one in everything(cms, **query, **stop)} == {"ESTABLISHED", "LISTEN", "TCP_TOTAL"}
    wanted = '{"instanceId":"i-bp1m0000","state":"LISTEN"}'
    assert [one["state"] for one in everything(cms, dimensions=wanted, **query, **stop)] == ["LISTEN"]


def test_resources_of_other_products_have_metrics_when_the_world_names_them(
    stepped: RunningSimulator, cms: Client
) -> None:
    """Pods and balancers are told by their dimensions."""
    pods = [{"cluster": "c1", "namespace": "default", "pod": f"web-{number}"} for number in range(2)]
    world(stepped, 1, metric_resources={"acs_k8s": pods})
    span = {"start_time": str(NOW_MS - 20 * MINUTE), "end_time": str(NOW_MS - 19 * MINUTE)}
    points = everything(cms, namespace="acs_k8s", metric_name="pod.cpu.usage_rate", **span)
    assert [(point["pod"], point["cluster"]) for point in points] == [("web-0", "c1"), ("web-1", "c1")]


def test_listeners_of_load_balancers_have_metrics(stepped: RunningSimulator, cms: Client) -> None:
    """A listener is told by balancer, port and address; a value may be chosen for a balancer."""
    balancer = {"id": "lb-bp1a", "region": "cn-hangzhou"}
    chosen = {"metric": "Qps", "instance": "lb-bp1a", "value": 240}
    listener = {"load_balancer": "lb-bp1a", "port": 80}
    world(stepped, 1, load_balancers=[balancer], listeners=[listener], metric_overrides=[chosen])
    (point,) = last(cms, namespace="acs_slb_dashboard", metric_name="Qps")
    assert point["Average"] == 240
    assert (point["instanceId"], point["port"]) == ("lb-bp1a", "80")
    assert point.keys() == {"timestamp", "userId", "instanceId", "port", "vip", "Average"}


def test_catalogue_lists_products_and_metrics(stepped: RunningSimulator, cms: Client) -> None:
    """DescribeProjectMeta names the namespaces, DescribeMetricMetaList the metrics with periods (S4.15)."""
    projects = cms.describe_project_meta(models.DescribeProjectMetaRequest()).body
    names = {one.namespace for one in projects.resources.resource}
    assert {"acs_ecs_dashboard", "acs_slb_dashboard", "acs_k8s", "acs_customMetric_1000000000000001"} <= names
    labelled = models.DescribeProjectMetaRequest(labels='[{"name":"product","value":"ECS"}]')
    found = cms.describe_project_meta(labelled).body.resources.resource
    assert [one.namespace for one in found] == ["acs_ecs_dashboard"]
    metas = cms.describe_metric_meta_list(models.DescribeMetricMetaListRequest(**ECS)).body
    (meta,) = metas.resources.resource
    assert (meta.periods, meta.dimensions, meta.unit) == ("15,60,300,900,3600", "userId,instanceId", "%")
    assert (meta.statistics, metas.total_count) == ("Average,Minimum,Maximum", "1")


def test_every_listed_metric_can_be_asked_for(stepped: RunningSimulator, cms: Client) -> None:
    """What the catalogue lists of ECS has points in every period that it lists."""
    world(stepped, 1)
    request = models.DescribeMetricMetaListRequest(namespace="acs_ecs_dashboard", page_size=100)
    for meta in cms.describe_metric_meta_list(request).body.resources.resource:
        for period in meta.periods.split(","):
            points = last(cms, metric_name=meta.metric_name, period=period)
            assert points, (meta.metric_name, period)
            assert set(meta.statistics.split(",")) <= points[0].keys()


def test_reported_values_are_read_back(stepped: RunningSimulator, cms: Client) -> None:
    """Raw values are joined per minute once it is over; aggregated ones come back as they were sent."""
    world(stepped, 1)
    moment = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)

    def report(seconds: int, kind: str, values: dict[str, float]) -> models.PutCustomMetricRequestMetricList:
        at = (moment + timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%S.000+0000")
        return models.PutCustomMetricRequestMetricList(
            group_id="101",
            metric_name="orders" if kind == "0" else "revenue",
            dimensions='{"shop":"north"}',
            time=at,
            type=kind,
            period="60",
            values=json.dumps(values),
        )

    raw = [report(second, "0", {"value": value}) for second, value in ((10, 1), (20, 2), (60, 6))]
    whole = report(60, "1", {"Average": 7.5, "Sum": 15, "SampleCount": 2})
    assert cms.put_custom_metric(models.PutCustomMetricRequest(metric_list=[*raw, whole])).body.code == "200"
    stepped.advance(120)
    query = {"namespace": "acs_customMetric_1000000000000001", "start_time": str(NOW_MS), "period": "60"}
    (point,) = everything(cms, **{**query, "metric_name": "orders"})
    assert (point["timestamp"], point["groupId"], point["shop"]) == (NOW_MS + MINUTE, "101", "north")
    assert (point["Average"], point["Sum"], point["SampleCount"], point["Maximum"]) == (3, 9, 3, 6)
    (sent,) = everything(cms, **{**query, "metric_name": "revenue"})
    assert (sent["Average"], sent["Sum"]) == (7.5, 15)
    assert stepped.control("GET", "world")["alibaba"]["custom_metrics"][0]["metric"] == "orders"


def test_ten_thousand_instances_are_answered_without_delay(stepped: RunningSimulator, cms: Client) -> None:
    """Pages over a large fleet come at a rate that a client can live with."""
    quotas = {"cms:DescribeMetricList": 0, "cms:DescribeMetricLast": 0}
    fleet = [{"count": 10_000, "prefix": "big", "region": "cn-hangzhou"}]
    stepped.world({"now": NOW, "quotas": quotas, "alibaba": {"instances": fleet}})
    span = {"start_time": str(NOW_MS - 10 * MINUTE), "end_time": str(NOW_MS - 9 * MINUTE), "length": "1000"}
    assert len({point["instanceId"] for point in everything(cms, **span)}) == 10_000
