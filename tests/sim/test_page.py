"""The page for people, over plain HTTP: what it serves, what it shows, and that looking changes nothing."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode

import pytest

from cloudheal_sim.page.app import preferred
from cloudheal_sim.page.query import PAGE
from cloudheal_sim.page.texts import texts
from tests.conftest import ROOT
from tests.sim.signing import ECS, STS, HandSigned
from tests.sim.simulator import RunningSimulator

STATIC = ROOT / "src/cloudheal_sim/page/static"
SCRIPTS = sorted(STATIC.glob("*.js"))
SHELL = (STATIC.parent / "shell.html").read_text(encoding="utf-8")
HOSTILE = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


def fetched(url: str, **headers: str) -> tuple[dict[str, str], str]:
    """Return headers and text of an address."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with urllib.request.urlopen(urllib.request.Request(url, headers=named), timeout=30) as answer:
        return dict(answer.headers), answer.read().decode()


def state(sim: RunningSimulator, view: str, **asked: object) -> Any:
    """Return what one view shows."""
    return json.loads(fetched(f"{sim.url}/ui/state?{urlencode({'view': view, **asked})}")[1])["view"]


def instances(count: int, **facts: object) -> dict[str, Any]:
    """Describe a world of instances with ids in order."""
    return {"alibaba": {"instances": [{"id": f"i-bp1{n:06d}", "region": "cn-hangzhou", **facts} for n in range(count)]}}


# --- what is served ---


def test_the_policy_allows_this_server_and_nothing_else(sim: RunningSimulator) -> None:
    """Page, files and data all carry a policy without inline code and without another site."""
    for path in ("/", "/ui/static/app.js", "/ui/static/page.css", "/ui/texts?lang=zh", "/ui/state?view=faults"):
        headers, _ = fetched(sim.url + path)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_every_file_that_the_page_names_is_served(sim: RunningSimulator) -> None:
    """Whatever the shell, the modules and the sheet refer to exists on this server; nothing refers to another."""
    named = set(re.findall(r'(?:src|href)="(/ui/[^"]+)"', SHELL))
    named |= {f"/ui/static/{name}" for file in SCRIPTS for name in re.findall(r'from "\./([^"]+)"', file.read_text())}
    assert {"/ui/static/app.js", "/ui/static/page.css", "/ui/static/dom.js"} <= named
    for path in named:
        assert fetched(sim.url + path)[1]
    sources = SHELL + "".join(file.read_text() for file in STATIC.iterdir())
    assert set(re.findall(r"https?://[^\"' ]+", sources)) <= {"http://www.w3.org/2000/svg"}


def test_no_module_writes_markup() -> None:
    """Nothing in the modules turns text into markup, so that a name stays a name."""
    for file in SCRIPTS:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", file.read_text()), file


def test_an_unknown_file_is_not_found(sim: RunningSimulator) -> None:
    """Only the page's own files are served; a path does not lead out of their folder."""
    for path in ("/ui/static/none.js", "/ui/static/../app.py", "/ui/static/%2e%2e/app.py", "/ui/"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetched(sim.url + path)


def test_a_cloud_call_to_the_same_path_stays_a_cloud_call(sim: RunningSimulator) -> None:
    """`/` with the parameters of a call is answered by the cloud, signed or not."""
    with HandSigned(sim.address) as client:
        assert "AccountId" in client.rpc(STS, "GetCallerIdentity").json
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetched(f"{sim.url}/?Action=DescribeRegions&Version={ECS}&Format=JSON")
    assert json.load(refused.value)["Code"] == "MissingAccessKeyId"


# --- language ---


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-US,en;q=0.9,zh;q=0.8", "en"), ("de", "en"), ("", "en"), ("zh;q=x", "en")],
)
def test_the_browser_s_language_is_taken(accepted: str, language: str) -> None:
    """The first choice among Chinese and English wins; anything else is English."""
    assert preferred(accepted) == language


def test_the_address_outdoes_the_browser(sim: RunningSimulator) -> None:
    """`?lang=` wins over Accept-Language; without it the header decides."""
    assert '<html lang="zh-CN"' in fetched(f"{sim.url}/", Accept_Language="zh-CN")[1]
    assert '<html lang="en"' in fetched(f"{sim.url}/?lang=en", Accept_Language="zh-CN")[1]


def test_no_text_is_missing_in_either_language() -> None:
    """Every text that shell and modules ask for exists, every existing one is asked for, and Chinese is Chinese."""
    source = SHELL + "".join(file.read_text() for file in SCRIPTS)
    called = set(re.findall(r'\bt\("([^"]+)"\)', source))
    stems = set(re.findall(r"\bt\(`([a-z]+)\.\$\{", source))
    views = {"instances", "queues", "events", "faults", "journal"}
    in_shell = {name for name in texts("en") if f"$t_{name.replace('.', '_')}<" in SHELL or f'$t_{name}"' in SHELL}
    columns = set(re.findall(r'"([a-z]+)"', re.search(r"columns = \[(.*?)\]\.map", source)[1]))  # type: ignore[index]
    dynamic = {name for name in texts("en") if name.partition(".")[0] in stems}
    assert called | (columns - {""}) <= set(texts("en"))
    assert stems == {"clock", "fault", "kind", "state", "verdict"}
    assert set(texts("en")) == called | views | in_shell | columns | dynamic
    same = {name for name in texts("en") if texts("en")[name] == texts("zh")[name]}
    assert same <= {"id"}


# --- what is shown ---


def test_a_page_of_instances_is_never_more_than_a_page(sim: RunningSimulator) -> None:
    """A large world is cut into pages on the server; past the end the last one is shown."""
    sim.world({"alibaba": {"instances": [{"count": 2020, "prefix": "web-", "region": "cn-hangzhou"}]}})
    first, last, beyond = (state(sim, "instances", page=page) for page in (1, 41, 10**9))
    assert first["slice"] == {"total": 2020, "page": 1, "pages": 41, "size": PAGE}
    assert len(first["rows"]) == PAGE
    assert len(last["rows"]) == 20
    assert beyond == last
    assert len(json.dumps(first)) < 30_000


def test_instances_are_found_by_what_they_are(sim: RunningSimulator) -> None:
    """Text, region and status narrow the table, together and on their own."""
    world = instances(3)
    world["alibaba"]["instances"][1] |= {"name": "Checkout", "tags": {"team": "Payments"}, "status": "Stopped"}
    world["alibaba"]["instances"][2] |= {"region": "cn-beijing", "id": "i-2ze000002"}
    sim.world(world)

    def found(**asked: object) -> list[str]:
        return [row["key"] for row in state(sim, "instances", **asked)["rows"]]

    assert found(q="checkOUT") == found(q="payments") == found(status="Stopped") == ["i-bp1000001"]
    assert found(region="cn-beijing") == found(q="2ze") == ["i-2ze000002"]
    assert found(region="cn-beijing", status="Stopped") == []


def test_instances_of_both_clouds_are_one_list(stepped: RunningSimulator) -> None:
    """Filters know the cloud and take a state in either spelling; details tell what only one cloud has."""
    listeners = [{"id": "lbl-1", "port": 80, "targets": ["ins-b:80"]}]
    tencent = {
        "instances": [{"id": "ins-a"}, {"id": "ins-b", "status": "STOPPED"}],
        "balancers": [{"id": "lb-1", "listeners": listeners}],
    }
    stepped.world({**instances(1), "tencent": tencent})
    stepped.chaos("hang", "ins-a")
    stepped.chaos("repair_task", "ins-b")

    def keys(**asked: object) -> list[str]:
        return [row["key"] for row in state(stepped, "instances", **asked)["rows"]]

    assert keys() == ["i-bp1000000", "ins-a", "ins-b"]
    assert keys(cloud="tencent", status="Running") == ["ins-a"]
    assert keys(cloud="alibaba") == ["i-bp1000000"]
    assert keys(region="ap-guangzhou", q="ins-b") == ["ins-b"]
    shown = state(stepped, "instances", open="ins-a,ins-b")
    assert shown["regions"] == ["cn-hangzhou", "ap-guangzhou"]
    assert shown["rows"][1]["trouble"] == ["unreachable", "hung"]
    detail = shown["open"]["ins-b"]
    assert detail["behind"] == ["lb-1 lbl-1 :80 ×10 ✗"]
    assert [(one["type"], one["status"]) for one in detail["events"]] == [("101", "awaiting")]


def test_an_instance_shows_its_state_history(stepped: RunningSimulator) -> None:
    """An opened row tells every status with its instant, also after the instance is gone."""
    stepped.world(instances(1))
    stepped.chaos("power_off", "i-bp1000000")
    detail = state(stepped, "instances", open="i-bp1000000")["open"]["i-bp1000000"]
    assert detail["history"][0]["status"] == "Running"
    assert detail["history"][-1]["status"] in {"Stopping", "Stopped"}
    stepped.chaos("release", "i-bp1000000")
    assert [row["status"] for row in state(stepped, "instances", status="released")["rows"]] == [""]
    gone = state(stepped, "instances", open="i-bp1000000")["open"]["i-bp1000000"]
    assert gone["history"][-1]["status"] == ""


def test_hostile_names_travel_as_data(sim: RunningSimulator) -> None:
    """A name, a tag and a parameter full of markup arrive in JSON unchanged, and the shell holds none of them."""
    sim.world(instances(1, name=HOSTILE[:128], tags={"<b>": HOSTILE[:128]}))
    with HandSigned(sim.address) as client:
        client.rpc(ECS, "DescribeInstances", InstanceName=HOSTILE)
    row = state(sim, "instances")["rows"][0]
    assert (row["name"], row["tags"]) == (HOSTILE[:128], [["<b>", HOSTILE[:128]]])
    seq = str(state(sim, "journal")["rows"][0]["key"])
    assert state(sim, "journal", open=seq)["open"][seq]["parameters"]["InstanceName"] == HOSTILE
    assert "onerror" not in fetched(f"{sim.url}/")[1]
    assert fetched(f"{sim.url}/ui/state?view=journal")[0]["Content-Type"] == "application/json"


def test_bytes_that_are_no_text_do_not_break_the_page(sim: RunningSimulator) -> None:
    """A call whose parameters are not UTF-8 still stands in the journal that the page shows."""
    with HandSigned(sim.address) as client:
        client.send("GET", f"/?Action=DescribeRegions&Version={ECS}&Format=JSON&Bad=%ff%fe")
    row = state(sim, "journal")["rows"][0]
    assert row["action"] == "DescribeRegions"
    assert "Bad" in state(sim, "journal", open=row["key"])["open"][str(row["key"])]["parameters"]


def test_a_refused_signature_shows_both_strings_to_sign(sim: RunningSimulator) -> None:
    """The journal's filter finds the refused call, and its details say what was signed here."""
    with HandSigned(sim.address) as right, HandSigned(sim.address, secret="wrong") as wrong:
        right.rpc(STS, "GetCallerIdentity")
        wrong.rpc(ECS, "DescribeZones")
    rows = state(sim, "journal", verdict="refused")["rows"]
    assert [row["action"] for row in rows] == ["DescribeZones"]
    assert [row["action"] for row in state(sim, "journal", verdict="valid")["rows"]] == ["GetCallerIdentity"]
    entry = state(sim, "journal", open=rows[0]["key"])["open"][str(rows[0]["key"])]
    assert entry["details"]["string_to_sign"].startswith("GET&%2F&")
    assert "wrong" not in json.dumps(entry)


@pytest.mark.parametrize(
    "asked",
    [
        {"service": "ecs", "kind": "request"},
        {"action": "rebootinst"},
        {"resource": "i-bp1000001", "kind": "request"},
        {"text": "HomeTown"},
        {"verdict": "failed"},
    ],
    ids="-".join,
)
def test_the_journal_is_narrowed_by(sim: RunningSimulator, asked: dict[str, str]) -> None:
    """Each filter of the journal leaves the one call it describes."""
    sim.world(instances(1))
    sim.chaos("agent_offline", "i-bp1000000")
    with HandSigned(sim.address) as client:
        client.rpc(ECS, "RebootInstance", InstanceId="i-bp1000001", Place="hometown")
    assert [row["action"] for row in state(sim, "journal", **asked)["rows"]] == ["RebootInstance"]


def test_a_page_of_the_journal_stays_while_new_entries_come(sim: RunningSimulator) -> None:
    """Older pages are found by entry number, so that new entries push nothing from one page to the next."""
    with HandSigned(sim.address) as client:
        for _ in range(PAGE + 5):
            client.rpc(STS, "GetCallerIdentity")
        first = state(sim, "journal")
        older = state(sim, "journal", before=first["next"])
        client.rpc(STS, "GetCallerIdentity")
        assert state(sim, "journal", before=first["next"]) == older
    assert [row["key"] for row in (*first["rows"], *older["rows"])] == list(range(PAGE + 5, 0, -1))
    assert older["next"] == 0


def test_faults_show_their_counters(sim: RunningSimulator) -> None:
    """A rule in force shows what it matches, how often it was seen and fired, and that it is spent."""
    rule = {"match": {"action": "GetCallerIdentity"}, "when": {"times": 1}, "fault": {"kind": "throttle"}}
    sim.control("PUT", "faults", {"rules": [rule]})
    assert [row["state"] for row in state(sim, "faults")["rows"]] == ["armed"]
    with HandSigned(sim.address) as client:
        client.rpc(STS, "GetCallerIdentity")
    (row,) = state(sim, "faults")["rows"]
    assert (row["seen"], row["fired"], row["state"], row["match"]) == (1, 1, "spent", {"action": "GetCallerIdentity"})
    assert row["rule"] == {
        "match": {"action": "GetCallerIdentity"},
        "when": {"times": 1},
        "fault": {"kind": "throttle"},
    }
    assert [entry["fault"] for entry in state(sim, "journal", verdict="fault")["rows"]] == ["throttle"]


def test_an_event_shows_what_became_of_it(stepped: RunningSimulator) -> None:
    """The timeline joins an event with its deliveries, also when it is looked at from an older page."""
    world = instances(1)
    world["alibaba"]["event_rules"] = [{"name": "to-nowhere", "targets": [{"queue": "missing"}]}]
    stepped.world(world)
    stepped.chaos("power_off", "i-bp1000000")
    stepped.advance(5)
    rows = state(stepped, "events")["rows"]
    assert {row["name"] for row in rows} == {"Instance:StateChange"}
    assert [one["code"] for one in rows[-1]["deliveries"]] == ["QueueNotExist"]
    older = state(stepped, "events", before=rows[-1]["key"] + 1, open=rows[-1]["key"])
    assert older["rows"][0] == rows[-1]
    assert older["open"][str(rows[-1]["key"])]["rules"] == ["to-nowhere"]


def test_numbers_that_json_has_no_words_for_do_not_break_the_page(sim: RunningSimulator) -> None:
    """An event whose content holds an infinite number is shown in journal and timeline as text."""
    event = b'{"product": "ECS", "name": "Instance:StateChange", "content": {"resourceId": "i-x", "load": 1e999}}'
    urllib.request.urlopen(urllib.request.Request(f"{sim.url}/_sim/events", event), timeout=30).close()
    (row,) = state(sim, "journal", kind="event")["rows"]
    for view in ("journal", "events"):
        _, text = fetched(f"{sim.url}/ui/state?view={view}&open={row['key']}")
        assert "Infinity" in text
        json.loads(text, parse_constant=pytest.fail)


# --- queues ---


def posted(client: HandSigned, queue: str, body: str, **attributes: object) -> None:
    """Send one message."""
    more = "".join(f"<{name}>{value}</{name}>" for name, value in attributes.items())
    assert (
        client.mns(
            "POST", f"/queues/{queue}/messages", f"<Message><MessageBody>{body}</MessageBody>{more}</Message>"
        ).status
        == 201
    )


def test_a_queue_counts_and_shows_its_messages_by_state(stepped: RunningSimulator) -> None:
    """Visible, invisible and delayed messages are counted and shown with when they come back."""
    stepped.world({"alibaba": {"queues": [{"name": "ops"}, {"name": "audit"}]}})
    with HandSigned(stepped.address) as client:
        posted(client, "ops", "first")
        posted(client, "ops", "second")
        posted(client, "ops", "third", DelaySeconds=60)
        client.mns("GET", "/queues/ops/messages")
    shown = state(stepped, "queues", queue="ops")
    counts = {row["key"]: (row["visible"], row["invisible"], row["delayed"]) for row in shown["rows"]}
    assert counts == {"ops": (1, 1, 1), "audit": (0, 0, 0)}
    now = stepped.control("GET", "clock")["now_ms"]
    messages = [(row["body"], row["state"], row["next_visible"]) for row in shown["messages"]["rows"]]
    assert messages == [
        ("first", "invisible", now + 30_000),
        ("second", "visible", None),
        ("third", "delayed", now + 60_000),
    ]
    assert state(stepped, "queues", q="aud")["slice"]["total"] == 1


def test_bodies_are_decoded_and_cut(sim: RunningSimulator) -> None:
    """Base64 of text is shown as text, anything else as it was sent; a row holds only the beginning."""
    sim.world({"alibaba": {"queues": [{"name": "ops"}]}})
    long, binary = "x" * 50_000, base64.b64encode(b"\x00\xff\xfe").decode()
    bodies = [base64.b64encode('{"事件": "<b>"}'.encode()).decode(), binary, "plain", long]
    with HandSigned(sim.address) as client:
        for body in bodies:
            posted(client, "ops", body)
    messages = state(sim, "queues", queue="ops", open="1,2,4")["messages"]
    assert [row["body"] for row in messages["rows"][:3]] == ['{"事件": "<b>"}', binary, "plain"]
    assert len(messages["rows"][3]["body"]) < 200
    assert (messages["open"]["1"]["body"], messages["open"]["1"]["decoded"]) == ('{\n  "事件": "<b>"\n}', True)
    assert (messages["open"]["2"]["body"], messages["open"]["2"]["decoded"]) == (binary, False)
    assert messages["open"]["4"]["size"] == 50_000
    assert len(messages["open"]["4"]["body"]) < 21_000


def test_looking_at_a_message_takes_nothing(stepped: RunningSimulator) -> None:
    """A message that people look at is as new to its receiver as before."""
    stepped.world({"alibaba": {"queues": [{"name": "ops"}]}})
    with HandSigned(stepped.address) as client:
        posted(client, "ops", "body")
        for _ in range(3):
            (row,) = state(stepped, "queues", queue="ops", open="1")["messages"]["rows"]
            assert (row["state"], row["dequeued"]) == ("visible", 0)
        assert b"<DequeueCount>1<" in client.mns("GET", "/queues/ops/messages").body


# --- looking changes nothing ---


def test_looking_changes_nothing(stepped: RunningSimulator) -> None:
    """However often every view is read, the world and the journal stay the same."""
    stepped.world(instances(2))
    before = (stepped.control("GET", "world"), stepped.control("GET", "health"))
    for view in ("instances", "queues", "events", "faults", "journal", "options"):
        state(stepped, view, open="i-bp1000000,1", q="a", text="b")
    assert (stepped.control("GET", "world"), stepped.control("GET", "health")) == before


def test_nonsense_in_the_address_shows_the_first_page(sim: RunningSimulator) -> None:
    """Numbers that are none, far too many fields and unknown keys are no errors for a person to read."""
    plain = state(sim, "instances")
    assert state(sim, "instances", page="-1", open="x,,y,9" * 30, foo="bar") == plain
    assert state(sim, "journal", before="9" * 40)["rows"] == state(sim, "journal")["rows"]
    assert state(sim, "journal", **{f"f{n}": n for n in range(45)})["searched"] == 0
    with pytest.raises(urllib.error.HTTPError, match="400"):
        fetched(f"{sim.url}/ui/state?view=none")
