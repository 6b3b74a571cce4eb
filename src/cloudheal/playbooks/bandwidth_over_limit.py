"""See to a server that loses packets because it sends more than its public bandwidth takes (S3.3).

It finds out what sends: sockets, interfaces, timers and jobs. Where the rule names a unit that may be stopped (a
backup, a timer) it is stopped; a larger bandwidth costs money and is a person's decision.
"""

from __future__ import annotations

from pydantic import Field

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Refusal
from cloudheal.playbooks import diagnosing
from cloudheal.playbooks.diagnosing import DiagnoseParameters, Situation

SITUATION = Situation(
    subject="interfaces, what sends, timers and jobs",
    looks=(
        "cat /proc/net/dev; sleep 2; cat /proc/net/dev",
        "sar -n DEV 1 3",
        "nethogs -t -c 3",
        "ss -tin | head -80",
        "systemctl list-timers --no-pager",
        "ps -eo pid,user,pcpu,etime,cmd --sort=-pcpu | head -20",
    ),
    advice="stop or throttle the job that sends (`stop_unit`), or raise the bandwidth, which costs",
    mends="It stops the unit that the rule names (`stop_unit`), or runs the command that the rule gives, once.",
)


class BandwidthParameters(DiagnoseParameters):
    """Parameters of the playbook."""

    stop_unit: str = Field(
        "",
        pattern=r"^$|^\w[\w@.:-]*$",
        max_length=255,
        description="A systemd unit that may be stopped: a backup, a timer.",
    )

    def _ways(self) -> tuple[bool, ...]:
        return (*super()._ways(), bool(self.stop_unit))

    @property
    def text(self) -> str:
        """The command that stops the unit, or what the rule gives."""
        if not self.stop_unit:
            return super().text
        return (
            f"systemctl stop {self.stop_unit}\n"
            f"if systemctl is-active --quiet {self.stop_unit}; then\n"
            "echo 'cloudheal: it is active still'\nexit 69\nfi\n"
            "echo 'cloudheal: it is stopped'\n"
        )


def bandwidth_over_limit(case: Case, hands: Hands) -> End | Refusal:
    """See to one server."""
    return diagnosing.see_to(case, hands, SITUATION)


BANDWIDTH_OVER_LIMIT = diagnosing.declared(
    name="bandwidth_over_limit",
    run=bandwidth_over_limit,
    parameters=BandwidthParameters,
    situation=SITUATION,
    summary="Finds out what uses up a server's public bandwidth, stops a unit if the rule names one, or tells people.",
)
