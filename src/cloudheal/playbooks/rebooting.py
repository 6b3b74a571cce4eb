"""What is looked at and started after a server was restarted, by its cloud or from inside.

Units that systemd shows as failed were meant to run and do not: starting them adds what is missing and touches nothing
that works. Where a rule says how a process is started, that is done instead.
"""

from __future__ import annotations

from pydantic import Field

from cloudheal.playbooks.diagnosing import DiagnoseParameters, Situation
from cloudheal.playbooks.restoring import ABSENT
from cloudheal.settings.durations import Duration, duration_of

_FAILED = "systemctl --failed --plain --no-legend --no-pager | awk '{print $1}'"
REBOOTED = Situation(
    subject="boots, the errors of the last one, dumps, failed units and mounts",
    looks=(
        "uptime -s",
        "last -x reboot shutdown | head",
        "journalctl --list-boots | tail -3",
        "journalctl -b -1 -p err -n 80 --no-pager",
        "ls -l /var/crash",
        "systemctl --failed --no-pager",
        "findmnt --verify | tail -20",
    ),
    advice="start what is missing (`unit`, or `check` and `start`), and find in the last boot's log why it went down",
)
#: Starts every unit that has failed, and ends with 0 when none is left.
START_FAILED = (
    f"{_FAILED} | xargs -r systemctl start\n"
    f"cloudheal_left=$({_FAILED})\n"
    'if [ -n "$cloudheal_left" ]; then\n'
    f'echo "cloudheal: failed still: $cloudheal_left"\nexit {ABSENT}\nfi\n'
    "echo 'cloudheal: no unit has failed'\n"
)


class RebootedParameters(DiagnoseParameters):
    """Parameters of the playbook."""

    limit: Duration = Field(
        duration_of("15m"), description="How long the server may take to answer again; then people are told."
    )
    start_failed: bool = Field(
        default=False, description="Start the units that have failed, where the rule names nothing else to start."
    )

    @property
    def says_how(self) -> bool:
        """True when there is anything to be run."""
        return self.start_failed or super().says_how

    @property
    def text(self) -> str:
        """What the rule gives, or the command that starts what has failed."""
        return super().text if super().says_how or not self.start_failed else START_FAILED
