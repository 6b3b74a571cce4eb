"""Wire in: starting, stopping, rebooting, redeploying, releasing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cloudheal_sim.alibaba.ecs.requests.fields import Switch
from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Numbered, Text

Batch = Literal["AllTogether", "SuccessFirst"]


class StartInstance(RpcRequest):
    """Power on."""

    IGNORED = "InitLocalDisk"

    instance_id: str
    dry_run: Switch = False


class StopInstance(RpcRequest):
    """Power off."""

    IGNORED = "ConfirmStop Hibernate"

    instance_id: str
    dry_run: Switch = False
    force_stop: Switch = False
    stopped_mode: Text = None


class RebootInstance(RpcRequest):
    """Reboot."""

    instance_id: str
    dry_run: Switch = False
    force_stop: Switch = False


class RedeployInstance(RpcRequest):
    """Move to another host."""

    instance_id: str
    force_stop: Switch = False


class DeleteInstance(RpcRequest):
    """Release."""

    instance_id: str
    dry_run: Switch = False
    force: Switch = False
    force_stop: Switch = False
    terminate_subscription: Switch = False


class _Several(RpcRequest):
    instance_id: Numbered = Field(min_length=1, max_length=100)
    dry_run: Switch = False
    batch_optimization: Batch = "AllTogether"


class StartInstances(_Several):
    """Power on several."""


class StopInstances(_Several):
    """Power off several."""

    force_stop: Switch = False
    stopped_mode: Text = None


class RebootInstances(_Several):
    """Reboot several."""

    force_reboot: Switch = False


class DeleteInstances(RpcRequest):
    """Release several, all or none."""

    instance_id: Numbered = Field(min_length=1, max_length=100)
    dry_run: Switch = False
    force: Switch = False
    force_stop: Switch = False
    terminate_subscription: Switch = False
    client_token: Text = None


class ModifyInstanceAutoReleaseTime(RpcRequest):
    """Set or clear the instant of the automatic release."""

    instance_id: str
    auto_release_time: Text = None
