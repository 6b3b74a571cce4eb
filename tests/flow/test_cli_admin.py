"""Setting an account up, looking whether all is well, and the least that must be allowed; against the simulator."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudheal.clouds.alibaba.client import STS, Client
from cloudheal.clouds.keys import Keys
from tests.flow.operators import KEY, SECRET, Operator, until
from tests.flow.test_restart import QUEUE, RULE, WORLD


@pytest.fixture
def operator(at_hand: Operator) -> Operator:
    """Commands run in this process."""
    return at_hand


@pytest.fixture
def bare(operator: Operator) -> Operator:
    """An operator whose account has servers and nothing else."""
    alibaba = {name: part for name, part in WORLD["alibaba"].items() if name not in {"queues", "event_rules"}}
    operator.simulator.world({**WORLD, "alibaba": alibaba})
    return operator


def errors(operator: Operator) -> dict[str, dict[str, Any]]:
    """Return the findings of `check` that are errors, by code."""
    return {row["code"]: row for row in operator.json("check") if row["level"] == "error"}


def test_setting_up_twice_changes_nothing_the_second_time_and_events_arrive(bare: Operator) -> None:
    """Queue, rules and targets are created, then left alone; events of servers and of their agents come in by it."""
    first = bare.done("setup", "alibaba", "--yes")
    assert [line.strip()[0] for line in first.splitlines() if line.startswith("  ")] == ["+"] * 5
    assert "Done: 5 changed." in first
    before = bare.simulator.control("GET", "world")["alibaba"]
    second = bare.done("setup", "alibaba", "--yes")
    assert "Nothing to do." in second
    after = bare.simulator.control("GET", "world")["alibaba"]
    assert (after["queues"], after["event_rules"]) == (before["queues"], before["event_rules"])
    bare.chaos("power_off", "i-bp1test1")
    world = bare.simulator.control
    silent = {
        "product": "CloudMonitor",
        "name": "Agent_Status_Stopped",
        "status": "stopped",
        "instance_id": "i-bp1test1",
    }
    bare.simulator.control("POST", "events", silent)
    until(lambda: len(world("GET", "world")["alibaba"]["queues"][0]["messages"]) >= 3, what="events on the queue")
    bare.done("run", "--once")
    told = {event["status"] for event in bare.json("events", "--resource", "i-bp1test1")}
    assert {"Stopped", "stopped"} <= told


def test_what_somebody_changed_is_shown_as_differences_and_put_right(bare: Operator) -> None:
    """The plan comes first; a no changes nothing, a yes only what differs, and more than enough is left as it is."""
    bare.done("setup", "alibaba", "--yes")
    world = bare.simulator.control("GET", "world")
    world["alibaba"]["event_rules"][0]["state"] = "DISABLED"
    world["alibaba"]["queues"][0].update(visibility_timeout=5, message_retention_period=600_000)
    bare.simulator.world(world)
    declined = bare("setup", "alibaba", typed="n\n")
    assert declined.returncode == 1
    assert "visibility_timeout: 5 -> 60" in declined.stdout
    assert "State: DISABLED -> ENABLED" in declined.stdout
    assert bare.simulator.control("GET", "world")["alibaba"]["event_rules"][0]["state"] == "DISABLED"
    agreed = bare.done("setup", "alibaba", typed="y\n")
    assert "Done: 2 changed." in agreed
    queue = bare.simulator.control("GET", "world")["alibaba"]["queues"][0]
    assert (queue["visibility_timeout"], queue["message_retention_period"]) == (60, 600_000)
    assert "Nothing to do." in bare.done("setup", "alibaba")


def test_setting_up_two_queues_twice_changes_nothing_and_one_event_comes_by_both(bare: Operator) -> None:
    """Each queue has its rules and targets; the ordinary one still brings everything, interruptions included."""
    bare.settings(
        account={"queue": {"endpoint": bare.simulator.url, "name": QUEUE, "urgent": "fast", "wait_seconds": 1}}
    )
    assert {"queue.missing", "events.not_set_up"} <= errors(bare).keys()
    assert "Done: 8 changed." in bare.done("setup", "alibaba", "--yes")
    made = bare.simulator.control("GET", "world")["alibaba"]
    assert [one["name"] for one in made["queues"]] == [QUEUE, "fast"]
    wanted = {
        one["name"]: (one["patterns"][0]["name_list"], one["targets"][0]["mns"]["queue"]) for one in made["event_rules"]
    }
    assert wanted == {
        "cloudheal-ecs": (["*"], QUEUE),
        "cloudheal-monitor": (["*"], QUEUE),
        "cloudheal-urgent": (["Instance:PreemptibleInstanceInterruption"], "fast"),
    }
    assert "Nothing to do." in bare.done("setup", "alibaba")
    assert not errors(bare)
    queues = [row["finding"] for row in bare.json("check") if row["code"] == "queue.empty.ok"]
    assert [QUEUE in queues[0], "fast" in queues[1]] == [True, True]
    (taking,) = [one for one in json.loads(bare.done("policy"))["Statement"] if "mns:ReceiveMessage" in one["Action"]]
    assert [one.rpartition("/queues/")[2] for one in taking["Resource"]] == [f"{QUEUE}/messages", "fast/messages"]
    notice = {"product": "ECS", "name": "Instance:PreemptibleInstanceInterruption", "content": {"action": "delete"}}
    bare.simulator.control("POST", "events", {**notice, "instance_id": "i-bp1test1"})
    bare.chaos("power_off", "i-bp1test1")
    bare.done("run", "--once")
    told = [event["type"] for event in bare.json("events", "--resource", "i-bp1test1")]
    assert told.count("Instance:PreemptibleInstanceInterruption") == 1
    assert "Instance:StateChange" in told


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("EntityNotExist.Role", "Create the service role AliyunCloudMonitorDefaultRole"),
        ("Forbidden.RAM", "Grant what `cloudheal policy --setup` prints"),
        ("SignatureDoesNotMatch", "`cloudheal check -c cloudheal.yaml` says what is wrong"),
    ],
)
def test_what_is_refused_while_setting_up_says_what_to_do(bare: Operator, code: str, advice: str) -> None:
    """A missing role, a missing permission, and anything else; what was made before is not made again."""
    fault = {"kind": "error", "status": 403, "code": code, "message": "no"}
    targets = {"service": "cms", "action": "PutEventRuleTargets", "fault": fault}
    bare.simulator.control("PUT", "faults", [targets])
    refused = bare("setup", "alibaba", "--yes")
    assert refused.returncode == 1
    assert advice in refused.stderr
    bare.simulator.control("PUT", "faults", [])
    assert "Done: 3 changed." in bare.done("setup", "alibaba", "--yes")


@pytest.mark.parametrize(
    ("code", "advice"), [("EntityNotExist.Role", "Correct role: of account prod"), ("NoPermission", "sts:AssumeRole")]
)
def test_a_role_that_is_not_given_is_what_setting_up_speaks_of(bare: Operator, code: str, advice: str) -> None:
    """Not of the role that CloudMonitor needs, nor of the permission to set up."""
    bare.settings(account={"role": "acs:ram::1000000000000001:role/healer"})
    fault = {"kind": "error", "status": 403, "code": code, "message": "no"}
    bare.simulator.control("PUT", "faults", [{"service": "sts", "action": "AssumeRole", "fault": fault}])
    refused = bare("setup", "alibaba", "--yes")
    assert refused.returncode == 1
    assert advice in refused.stderr
    assert "AliyunCloudMonitorDefaultRole" not in refused.stderr
    assert "policy --setup" not in refused.stderr


def test_short_lived_keys_of_a_role_do_all_of_it(bare: Operator) -> None:
    """Setting up, looking, taking messages, starting a server: each call shows the token, and is refused without."""
    role = {"RoleArn": "acs:ram::1000000000000001:role/healer", "RoleSessionName": "worker"}
    issued = Client(Keys(KEY, SECRET), bare.simulator.url).call(STS, "AssumeRole", "cn-hangzhou", role, 5)[
        "Credentials"
    ]
    names = {"ACCESS_KEY_ID": "AccessKeyId", "ACCESS_KEY_SECRET": "AccessKeySecret", "SECURITY_TOKEN": "SecurityToken"}
    bare.environment |= {f"ALIBABA_CLOUD_{name}": issued[part] for name, part in names.items()}
    bare.done("setup", "alibaba", "--yes")
    assert not errors(bare)
    bare.done("rules", "promote", RULE["name"])
    bare.chaos("power_off", "i-bp1web01")
    bare.done("run", "--once")
    assert list(bare.starts()) == ["i-bp1web01"]
    bare.environment["ALIBABA_CLOUD_SECURITY_TOKEN"] = ""
    assert errors(bare).keys() == {"key.refused"}


def test_what_the_old_sample_named_is_accepted_with_a_warning(bare: Operator) -> None:
    """The key of the vendor's sample, spelt as there: `check` and `run` say that it is not used; others are refused."""
    bare.settings(account={"vsever_group_id": "rsp-web"})
    bare.done("setup", "alibaba", "--yes")
    (told,) = [row for row in bare.json("check") if row["code"] == "settings.unused"]
    assert (told["level"], told["subject"], told["fix"]) == ("warning", "prod", "Leave vsever_group_id out.")
    ran = bare("run", "--once")
    assert (ran.returncode, "run.unused_setting account=prod field=vsever_group_id" in ran.stderr) == (0, True)
    bare.settings(account={"vserver_group": "rsp-web"})
    assert bare("check").returncode == 2


def test_without_a_queue_there_is_nothing_to_set_up_and_that_is_said(bare: Operator) -> None:
    """The settings name no queue: an error that says what is missing, not silence."""
    bare.settings(account={"queue": None})
    refused = bare("setup", "alibaba")
    assert refused.returncode == 2
    assert "has a queue" in " ".join(refused.stderr.replace("│", " ").split())


def test_the_doctor_finds_what_is_missing_and_says_the_exact_fix(bare: Operator) -> None:
    """Queue and event rule are missing: errors with the command that mends them; afterwards nothing is."""
    done = bare("check")
    assert done.returncode == 1
    found = errors(bare)
    assert found.keys() == {"queue.missing", "events.not_set_up"}
    assert found["queue.missing"]["fix"] == "cloudheal setup alibaba -c cloudheal.yaml"
    bare.done("setup", "alibaba", "--yes")
    shown = bare.done("check")
    assert "Everything needed is in place." in shown
    codes = {row["code"]: row["level"] for row in bare.json("check")}
    assert codes["permission.ok"] == codes["key.ok"] == codes["clock.ok"] == codes["database.sqlite"] == "ok"
    assert codes["rules.shadow"] == "warning"
    assert bare.starts() == []


@pytest.mark.parametrize(
    ("account", "environment", "code"),
    [
        ({"id": "2000000000000002"}, {}, "key.other_account"),
        ({}, {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wrong"}, "key.refused"),
        ({}, {"ALIBABA_CLOUD_ACCESS_KEY_ID": ""}, "keys.missing"),
        ({"endpoint": "http://127.0.0.1:9"}, {}, "endpoint.unreachable"),
    ],
    ids=["account", "secret", "no-key", "endpoint"],
)
def test_the_doctor_tells_troubles_of_keys_and_ways_apart(
    operator: Operator, account: dict[str, str], environment: dict[str, str], code: str
) -> None:
    """Each has its own code and its own fix."""
    operator.environment.update(environment)
    operator.settings(account=account)
    found = errors(operator)
    assert code in found
    assert found[code]["fix"]


@pytest.mark.parametrize(("fault", "code"), [("", "permission.ok"), ("NoPermission", "permission.missing")])
def test_the_doctor_tries_the_audit_trail_where_it_is_evidence(operator: Operator, fault: str, code: str) -> None:
    """A role that may not read ActionTrail is found before a stop has to be explained; who uses none needs no right."""
    refused = {"kind": "error", "status": 403, "code": fault, "message": "no"}
    asked = [{"service": "actiontrail", "action": "LookupEvents", "fault": refused}]
    operator.simulator.control("PUT", "faults", asked if fault else [])
    about = "actiontrail:LookupEvents"
    assert not [row for row in operator.json("check") if about in row["finding"]]
    operator.settings(account={"audit_trail": True})
    (found,) = [row for row in operator.json("check") if about in row["finding"]]
    operator.simulator.control("PUT", "faults", [])
    assert found["code"] == code


def test_the_doctor_sees_a_clock_that_the_vendor_refuses(operator: Operator) -> None:
    """Half an hour apart every call is refused; the finding is the clock, not the key."""
    operator.simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "on"})
    operator.simulator.advance(1800)
    found = errors(operator)
    operator.simulator.control("PUT", "clock", {"mode": "real"})
    assert found["clock.skewed"]["fix"] == "Set this machine's clock: timedatectl set-ntp true"
    assert "key.refused" not in found


def test_the_doctor_sees_mistakes_in_rules_and_a_database_that_cannot_be_written(operator: Operator) -> None:
    """Both are findings beside the others, not the end of the examination."""
    operator.settings(rules=[{**RULE, "with": {"start_timeout": "5"}}], database="sqlite:////nowhere/at/all.db")
    found = errors(operator)
    assert "with.start_timeout" in found["settings.bad"]["finding"]
    assert "cloudheal.yaml:" in found["settings.bad"]["finding"]
    assert "the folder /nowhere/at of the database does not exist" in found["database.unreachable"]["finding"]


def test_the_doctor_says_what_was_probably_meant_in_a_rule(operator: Operator) -> None:
    """The name of a playbook, or of a parameter of one, that is nearly right."""
    for change, meant in (
        ({"playbook": "restart_stoped"}, "did you mean restart_stopped?"),
        (
            {"with": {"start_timout": "5m"}},
            "with.start_timout: Extra inputs are not permitted; did you mean start_timeout?",
        ),
        ({"with": {"start_timeout": "5 minutes"}}, "with.start_timeout: expected a duration such as"),
    ):
        operator.settings(rules=[{**RULE, **change}])
        assert meant in errors(operator)["settings.bad"]["finding"]


def test_the_doctor_sees_a_secret_of_another_part_that_is_missing(operator: Operator) -> None:
    """What `run` would refuse at its start is found before."""
    operator.settings(notify={"targets": [{"name": "ops", "url_env": "NOWHERE_URL"}]})
    assert "NOWHERE_URL" in errors(operator)["settings.bad"]["finding"]
    refused = operator("run", "--once")
    assert (refused.returncode, "NOWHERE_URL" in refused.stderr) == (2, True)


def test_messages_that_nobody_takes_are_seen_without_taking_them(operator: Operator) -> None:
    """An old message is a warning; looking does not hide it from the worker that comes."""
    operator.simulator.control("POST", "events", {"raw": "x", "queue": QUEUE})
    (fresh,) = [row for row in operator.json("check") if row["code"].startswith("queue.")]
    assert fresh["code"] == "queue.ok"
    world = operator.simulator.control("GET", "world")
    old = datetime.now(UTC) - timedelta(hours=1)
    world["alibaba"]["queues"][0]["messages"][0]["enqueued"] = old.isoformat()
    operator.simulator.world(world)
    (stale,) = [row for row in operator.json("check") if row["code"].startswith("queue.")]
    assert (stale["code"], stale["level"], stale["fix"]) == (
        "queue.old",
        "warning",
        "Start a worker: cloudheal run -c cloudheal.yaml",
    )
    (left,) = operator.simulator.control("GET", "world")["alibaba"]["queues"][0]["messages"]
    assert left["dequeue_count"] == 0


def test_the_policy_is_the_least_that_the_rules_need(operator: Operator) -> None:
    """A rule that acts may start servers of this account and region; one in shadow may only be read for."""
    policy = json.loads(operator.done("policy"))
    servers, balancers, queue = policy["Statement"]
    assert policy["Version"] == "1"
    assert "ecs:StartInstance" in servers["Action"]
    assert servers["Resource"] == ["acs:ecs:cn-hangzhou:1000000000000001:*"]
    assert balancers["Action"] == [
        "slb:DescribeHealthStatus",
        "slb:DescribeLoadBalancerAttribute",
        "slb:DescribeLoadBalancers",
        "slb:DescribeVServerGroupAttribute",
        "slb:DescribeVServerGroups",
    ]
    assert queue["Resource"] == [f"acs:mns:cn-hangzhou:1000000000000001:/queues/{QUEUE}/messages"]
    assert all(one["Effect"] == "Allow" and "*" not in "".join(one["Action"]) for one in policy["Statement"])
    assert "ecs:GetInstanceConsoleOutput" not in servers["Action"]
    operator.settings(rules=[{**RULE, "with": {"evidence": True}}])
    assert "ecs:GetInstanceConsoleOutput" in json.loads(operator.done("policy"))["Statement"][0]["Action"]
    store = {"name": "sls", "to": "sls", "url": "https://trail.cn-hangzhou.log.aliyuncs.com", "logstore": "healer"}
    operator.settings(outlets=[{**store, "account": "prod"}])
    written = json.loads(operator.done("policy"))["Statement"][-1]
    assert written["Action"] == ["log:PostLogStoreLogs"]
    assert written["Resource"] == ["acs:log:*:1000000000000001:project/trail/logstore/healer"]
    operator.settings(rules=[{**RULE, "mode": "shadow"}])
    actions = [action for one in json.loads(operator.done("policy"))["Statement"] for action in one["Action"]]
    assert "ecs:StartInstance" not in actions
    assert "ecs:DescribeInstances" in actions
    grown = [action for one in json.loads(operator.done("policy", "--setup"))["Statement"] for action in one["Action"]]
    assert {"mns:CreateQueue", "cms:PutEventRule", "cms:PutEventRuleTargets"} <= set(grown)
    assert operator("policy", "--account", "other").returncode == 2
