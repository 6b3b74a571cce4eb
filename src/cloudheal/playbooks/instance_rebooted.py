"""See to a server that its cloud restarted, because of its host: start what is missing since (S3.3).

It waits until the server answers again and finds out what is missing. Unless the rule names something else, the units
that have failed are started: they were meant to run, and nothing that works is touched.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Refusal
from cloudheal.playbooks import diagnosing, rebooting
from cloudheal.playbooks.rebooting import REBOOTED, RebootedParameters

SITUATION = replace(
    REBOOTED,
    mends="It starts the failed units unless `start_failed` is off, or runs the command that the rule gives, once.",
)


class InstanceRebootedParameters(RebootedParameters):
    """Parameters of the playbook."""

    start_failed: bool = Field(
        default=True, description="Start the units that have failed, where the rule names nothing else to start."
    )


def instance_rebooted(case: Case, hands: Hands) -> End | Refusal:
    """See to one server."""
    return diagnosing.see_to(case, hands, SITUATION)


INSTANCE_REBOOTED = diagnosing.declared(
    name="instance_rebooted",
    run=instance_rebooted,
    parameters=InstanceRebootedParameters,
    failures=True,
    situation=SITUATION,
    summary="Starts what is missing in a server that its cloud restarted, and keeps what was found there.",
    parts=(rebooting,),
)
