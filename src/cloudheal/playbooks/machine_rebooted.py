"""See to a server that was restarted from inside: by somebody, by a watchdog, by its kernel (S3.3).

It waits until the server answers again and finds out why it went down and what is missing since. What is missing is
started where the rule says so.
"""

from __future__ import annotations

from dataclasses import replace

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Refusal
from cloudheal.playbooks import diagnosing, rebooting
from cloudheal.playbooks.rebooting import REBOOTED, RebootedParameters

SITUATION = replace(
    REBOOTED,
    mends="It runs the command that the rule gives, or starts the failed units where `start_failed` says so, once.",
)


class MachineRebootedParameters(RebootedParameters):
    """Parameters of the playbook."""


def machine_rebooted(case: Case, hands: Hands) -> End | Refusal:
    """See to one server."""
    return diagnosing.see_to(case, hands, SITUATION)


MACHINE_REBOOTED = diagnosing.declared(
    name="machine_rebooted",
    run=machine_rebooted,
    parameters=MachineRebootedParameters,
    failures=True,
    situation=SITUATION,
    summary="Finds out why a server restarted from inside and what is missing since, starts that where the rule says "
    "so, or tells people.",
    parts=(rebooting,),
)
