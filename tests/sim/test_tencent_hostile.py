"""Hostile input to API 3.0: every action with values that nobody meant, broken bodies, headers and signatures.

Whatever comes, the answer is the cloud's own, with HTTP 200 and a request id, and never an error of ours.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudheal_sim.coverage import API3, coverage
from cloudheal_sim.kernel.wire import HttpRequest
from tests.sim.tencent import FORM, Answer, Inside, Tc3, v1, v1_form
from tests.sim.wire import Wire

if TYPE_CHECKING:
    from tests.sim.simulator import RunningSimulator

WORLD: dict[str, Any] = {
    "instances": [
        {"id": "ins-a0000001"},
        {"id": "ins-b0000001", "status": "STOPPED"},
        {"id": "ins-c0000001", "charge_type": "PREPAID"},
    ],
    "repair_tasks": [{"id": "rep-a0000001", "instance": "ins-a0000001"}],
    "balancers": [
        {
            "id": "lb-a0000001",
            "listeners": [
                {"id": "lbl-a0000001", "port": 80, "targets": ["ins-a0000001:80"]},
                {"id": "lbl-b0000001", "port": 81, "protocol": "HTTP", "rules": [{"id": "loc-a0000001"}]},
            ],
        }
    ],
}
#: Right in one place and wrong in most.
VALUES: tuple[Any, ...] = (
    *("", "x", "-1", "0", "1", "中文", "%", "\\", "*", "a" * 3000, "\x00", "ins-a0000001", "ins-b0000001", "CVM"),
    *(
        "rep-a0000001",
        "AuthorizeRepair",
        "2026-03-02 12:00:00",
        "9999-12-31 23:59:59",
        "0001-01-01 00:00:00",
        *("img-a0000001", "lb-a0000001", "lbl-a0000001", "lbl-b0000001", "loc-a0000001", "10.6.0.10", 80),
    ),
    *("SOFT", "HARD", "ap-guangzhou-6", "S5.SMALL1", "zone", "2026-03-02T03:00:00Z", "0001-01-01T00:00:00Z", "PREPAID"),
    *(None, True, False, 0, 1, 5, 100, -1, 2**31, 2**63, 2**200, 1.5, 1e300, [], {}, [[]], [None], ["x"], {"x": 1}),
    *(
        ["ins-a0000001"],
        ["ins-b0000001", "ins-a0000001"],
        ["ins-c0000001"],
        [1, 2],
        [{"Name": "zone", "Values": ["x"]}],
    ),
)
ACTIONS = [
    (service.version, action.name, action.honoured)
    for service in coverage()
    if service.protocol == API3
    for action in service.actions
]


def sound(answer: Answer) -> Answer:
    """Return an answer that is the cloud's own."""
    assert (answer.status, answer.code == "InternalError") == (200, False), answer.body
    return answer


def tree(names: list[str], chance: random.Random) -> dict[str, Any]:
    """Write parameters by the names that the coverage gives them, `Filters.N.Name` being a list of structs."""
    document: dict[str, Any] = {}
    for name in names:
        node: Any = document
        *parents, leaf = name.replace(".N", "[]").split(".")
        for parent in parents:
            node = node.setdefault(parent.removesuffix("[]"), [{}] if parent.endswith("[]") else {})
            node = node[0] if isinstance(node, list) else node
        node[leaf] = chance.choice(VALUES)
    return document


@pytest.mark.parametrize("seed", range(6))
async def test_no_value_is_a_malfunction(seed: int) -> None:
    """Every action with a random part of its parameters; afterwards the world reads, and put back is the same."""
    inside, chance = Inside(WORLD), random.Random(seed)
    quotas = inside.simulator.kernel.quotas
    quotas.replace(dict.fromkeys(quotas.per_second, 0))
    for version, action, names in ACTIONS:
        for share in (0.1, 0.3, 0.6, 0.9):
            given_ = tree([name for name in names if chance.random() < share], chance)
            sound(await inside.call(action, version, **given_))
    inside.advance(3600)
    document = json.loads(json.dumps(inside.simulator.world.dump()))
    other = Inside()
    other.simulator.world.load(document)
    assert json.loads(json.dumps(other.simulator.world.dump())) == document


BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff\xfe",
    b'{"Limit":NaN}',
    b'{"Limit":1e999}',
    b'{"InstanceIds":["\\ud800"]}',
    b'{"\\ud800":1}',
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"Filters":' + b"[" * 200 + b"]" * 200 + b"}",
    json.dumps({"InstanceIds": ["ins-a0000001"] * 50_000}).encode(),
    json.dumps({f"x{n}": 1 for n in range(5000)}).encode(),
    b'{"Limit":1' + b"0" * 5000 + b"}",
    b'{"Limit":1,"Limit":2}',
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body[:16]))
async def test_a_broken_body_is_refused_after_the_signature(body: bytes) -> None:
    """Signed rightly it is InvalidParameter or the like, signed wrongly AuthFailure, and the journal stays readable."""
    inside = Inside(WORLD)
    sound(await inside.send(Tc3("DescribeInstances", body=body)))
    wrong = await inside.send(Tc3("DescribeInstances", body=body, key=("AKIDtest", "wrong")))
    assert wrong.code == "AuthFailure.SignatureFailure"
    assert json.dumps([entry.parameters for entry in inside.simulator.kernel.journal.entries()], default=str)


@pytest.mark.parametrize(
    "query",
    [
        "%",
        "%ff=%00",
        "InstanceIds.0=%ff",
        "InstanceIds=x&InstanceIds.0=y",
        "Filters.0=x&Filters.0.Name=y",
        "a." * 3000,
        "&".join(f"InstanceIds.{n}=ins-{n:08d}" for n in range(3000)),
        "InstanceIds.99999999999999999999=x",
        "Limit=",
        "Limit=%EF%BC%95",
    ],
)
async def test_a_broken_query_is_refused(query: str) -> None:
    """Of a GET with TC3, and of the older signature as query and as form."""
    inside = Inside(WORLD)
    sound(await inside.send(Tc3("DescribeInstances", method="GET", query=query, content_type=FORM)))
    form = v1_form(v1("DescribeInstances"), host="h")
    for request in (
        HttpRequest("POST", "/", {"host": "h", "content-type": FORM}, f"{form}&{query}".encode()),
        HttpRequest("GET", f"/?{form}&{query}", {"host": "h"}),
    ):
        sound(await inside.send(request))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["authorization", "host", "content-type", "x-tc-timestamp", "x-tc-version", "x-tc-language"]),
    value=TEXT | st.from_regex(r"TC3-HMAC-SHA256 Credential=[^/]{0,5}/[^/]{0,5}/.{0,20}", fullmatch=True),
    method=st.sampled_from(["POST", "GET", "PUT", "DELETE"]),
    body=st.binary(max_size=60),
)
async def test_any_header_gets_an_answer(name: str, value: str, method: str, body: bytes) -> None:
    """Random headers, methods and bodies: refused in the cloud's words."""
    inside = Inside(WORLD)
    call = replace(Tc3("DescribeInstances", body=body, method=method), more={name: value})
    assert sound(await inside.send(call)).code or name in {"x-tc-language", "host", "content-type"}


def test_bodies_that_cannot_be_taken_are_refused_in_the_clouds_words(sim: RunningSimulator) -> None:
    """Too large, and cut short with a broken chunk: HTTP 200, JSON, a code; a browser's GET is still the page."""
    headers = {"X-TC-Action": "DescribeInstances", "X-TC-Language": "zh-CN"}
    with Wire(sim.address) as wire:
        answer = wire.ask("POST", "/", {**headers, "Content-Length": str(50_000_000)})
    assert answer.json["Response"]["Error"] == {"Code": "RequestSizeLimitExceeded", "Message": "请求包超过限制大小。"}
    with Wire(sim.address) as wire:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        text = f"POST / HTTP/1.1\r\nHost: h\r\n{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"
        broken = wire.send(text.encode()).read()
    assert broken.status in {200, 400}
    with Wire(sim.address) as wire:
        assert wire.ask("GET", "/").headers["content-type"].startswith("text/html")
        assert wire.ask("GET", "/", {"X-TC-Action": "DescribeInstances"}).headers["content-type"] == "application/json"


async def test_the_host_chooses_nothing() -> None:
    """A client with a fixed host that is sent here through HTTP_PROXY signs that host, and is served."""
    inside = Inside(WORLD)
    call = Tc3.of("DescribeInstances")
    for host in (
        "cvm.ap-guangzhou.tencentcloudapi.com",
        "tat.tencentcloudapi.com",
        "127.0.0.1:8800",
        "ecs.aliyuncs.com",
    ):
        assert sound(await inside.send(replace(call, host=host))).response["TotalCount"] == 3
