"""See to a server whose kernel failed (S3.3).

It waits until the server answers again, and finds out what the kernel of the last boot said and whether there is a
dump. Nothing is rebooted: a second reboot might lose the dump. The service is started again where the rule says how.
"""

from __future__ import annotations

from pydantic import Field

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Refusal
from cloudheal.playbooks import diagnosing
from cloudheal.playbooks.diagnosing import DiagnoseParameters, Situation
from cloudheal.settings.durations import Duration, duration_of

SITUATION = Situation(
    subject="the kernel, the log of the last boot, dumps and modules",
    looks=(
        "uname -r",
        "uptime -s",
        "cat /proc/sys/kernel/random/boot_id",
        "ls -lt /var/crash | head",
        "journalctl -k -b -1 --no-pager | tail -120",
        "cat /proc/sys/kernel/tainted",
        "lsmod | head -40",
        "systemctl status kdump --no-pager | head",
        "systemctl --failed --no-pager",
    ),
    advice="keep the dump of /var/crash before anything is rebooted; look for the module or the kernel in its log",
)


class KernelParameters(DiagnoseParameters):
    """Parameters of the playbook."""

    limit: Duration = Field(
        duration_of("15m"), description="How long the server may take to answer again; then people are told."
    )


def kernel_fault(case: Case, hands: Hands) -> End | Refusal:
    """See to one server."""
    return diagnosing.see_to(case, hands, SITUATION)


KERNEL_FAULT = diagnosing.declared(
    name="kernel_fault",
    run=kernel_fault,
    parameters=KernelParameters,
    failures=True,
    situation=SITUATION,
    summary="Waits until a server whose kernel failed answers again, keeps what its kernel said, starts its service "
    "where the rule says how, or tells people.",
)
