"""What an operator's hands do in the demo, each by one call of an unmodified official SDK."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from time import monotonic
from typing import Any

from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_tea_openapi import utils_models as openapi
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from darabonba.runtime import RuntimeOptions
from mns.account import Account
from mns.mns_exception import MNSServerException

from cloudheal.demo.fleet import GROUP, QUEUE, REGION
from cloudheal.demo.simulator import DemoError, SimulatedCloud

KEY, SECRET = "testid", "testsecret"  # the well-known test key of the simulator
#: Nothing in the demo takes longer; waiting longer means that something is broken.
PATIENCE_SECONDS = 30


class Operator:
    """Calls the simulated cloud through the vendor's SDKs, as a program in production would."""

    def __init__(self, cloud: SimulatedCloud) -> None:
        logging.getLogger("mns").setLevel(logging.CRITICAL)
        address = cloud.url.removeprefix("http://")
        config = {
            "access_key_id": KEY,
            "access_key_secret": SECRET,
            "region_id": REGION,
            "endpoint": address,
            "protocol": "http",
        }
        self._ecs = EcsClient(openapi.Config(**config))
        self._slb = OpenApiClient(openapi.Config(**config))
        self._queue = Account(cloud.url, KEY, SECRET).get_queue(QUEUE)

    def servers(self) -> list[Any]:
        """List every server of the fleet."""
        request = ecs.DescribeInstancesRequest(region_id=REGION, page_size=100)
        listed: list[Any] = self._ecs.describe_instances(request).body.instances.instance
        return sorted(listed, key=lambda server: server.instance_name)

    def server(self, id_: str) -> Any:
        """Read one server afresh."""
        request = ecs.DescribeInstancesRequest(region_id=REGION, instance_ids=json.dumps([id_]))
        return self._ecs.describe_instances(request).body.instances.instance[0]

    def start(self, id_: str) -> str:
        """Ask for a server to be started; returns the vendor's request id."""
        answer = self._ecs.start_instance(ecs.StartInstanceRequest(instance_id=id_))
        return str(answer.body.request_id)

    def backends(self) -> dict[str, int]:
        """Return the balancer's members and their weights."""
        body = self._balancer("DescribeVServerGroupAttribute", {})
        return {one["ServerId"]: int(one["Weight"]) for one in body["BackendServers"]["BackendServer"]}

    def drain(self, id_: str) -> dict[str, int]:
        """Set a member's weight to 0: no new requests."""
        return self._change("SetVServerGroupAttribute", id_)

    def remove(self, id_: str) -> dict[str, int]:
        """Take a member out of the balancer."""
        return self._change("RemoveVServerGroupBackendServers", id_)

    def events(self, wanted: str, id_: str) -> Iterator[dict[str, Any]]:
        """Yield events from the queue, acknowledged one by one, up to and including the wanted one.

        `wanted` is a state of StateChange or the name of another event.
        """
        give_up = monotonic() + PATIENCE_SECONDS
        while monotonic() < give_up:
            event = self._next()
            if event is None:
                continue
            yield event
            content = event["content"]
            about = content.get("resourceId") or content.get("instanceId")
            if about == id_ and wanted in {content.get("state"), event["name"]}:
                return
        message = f"no event {wanted} of {id_} within {PATIENCE_SECONDS} s"
        raise DemoError(message)

    def _next(self) -> dict[str, Any] | None:
        try:
            message = self._queue.receive_message(2)
        except MNSServerException as problem:
            if problem.type == "MessageNotExist":
                return None
            raise
        self._queue.delete_message(message.receipt_handle)
        event: dict[str, Any] = json.loads(message.message_body)
        return event

    def _change(self, action: str, id_: str) -> dict[str, int]:
        self._balancer(action, {"BackendServers": json.dumps([{"ServerId": id_, "Port": 80, "Weight": 0}])})
        return self.backends()

    def _balancer(self, action: str, query: dict[str, str]) -> dict[str, Any]:
        call = openapi.Params(
            action=action,
            version="2014-05-15",
            protocol="HTTP",
            method="POST",
            auth_type="AK",
            style="RPC",
            pathname="/",
            req_body_type="formData",
            body_type="json",
        )
        request = openapi.OpenApiRequest(query={"RegionId": REGION, "VServerGroupId": GROUP, **query})
        body: dict[str, Any] = self._slb.call_api(call, request, RuntimeOptions())["body"]
        return body


def clock_time(event: dict[str, Any]) -> str:
    """Return the time of an event as hours, minutes, seconds in the event's own zone."""
    return datetime.strptime(event["eventTime"], "%Y%m%dT%H%M%S.%f%z").strftime("%H:%M:%S")
