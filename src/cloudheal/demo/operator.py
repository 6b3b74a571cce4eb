"""What a person does in the demo with the vendor's unmodified SDKs: stop a server on purpose, look at the queue."""

from __future__ import annotations

from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_tea_openapi import utils_models as openapi
from mns.account import Account

from cloudheal.demo.fleet import QUEUE, REGION
from cloudheal.drills.stage.handler import KEYS
from cloudheal.drills.stage.simulator import SimulatedCloud


class Operator:
    """Calls the simulated cloud through the vendor's SDKs."""

    def __init__(self, cloud: SimulatedCloud) -> None:
        key, secret = KEYS["ALIBABA_CLOUD_ACCESS_KEY_ID"], KEYS["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]
        self._ecs = EcsClient(
            openapi.Config(
                access_key_id=key,
                access_key_secret=secret,
                region_id=REGION,
                endpoint=cloud.url.removeprefix("http://"),
                protocol="http",
            )
        )
        self._queue = Account(cloud.url, key, secret).get_queue(QUEUE)

    def stop(self, id_: str) -> str:
        """Stop a server, patiently: the cloud throttles tonight. Returns the vendor's request id."""
        request = ecs.StopInstanceRequest(instance_id=id_)
        for _ in range(4):
            try:
                return str(self._ecs.stop_instance(request).body.request_id)
            except Exception as problem:
                if not str(getattr(problem, "code", "")).startswith("Throttling"):
                    raise
        return str(self._ecs.stop_instance(request).body.request_id)

    def messages(self) -> int:
        """Count the messages of the queue, those in the hands of a receiver included."""
        seen = self._queue.get_attributes()
        return int(seen.active_messages) + int(seen.inactive_messages) + int(seen.delay_messages)
