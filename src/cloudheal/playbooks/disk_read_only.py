"""See to a server one of whose file systems can only be read (S3.3).

It finds out which mount, whether the disk is full, and what the kernel says of it. A file system that the kernel took
out of writing may be damaged, so nothing is mounted, checked or deleted unless the rule gives the command for it.
"""

from __future__ import annotations

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Refusal
from cloudheal.playbooks import diagnosing
from cloudheal.playbooks.diagnosing import DiagnoseParameters, Situation

SITUATION = Situation(
    subject="mounts, space, the kernel's log and the disks",
    looks=(
        "findmnt -t ext4,xfs -o TARGET,SOURCE,FSTYPE,OPTIONS",
        "grep ' ro[ ,]' /proc/mounts",
        "df -h",
        "df -i",
        "dmesg -T | grep -iE 'ext4|xfs|i/o error|remount' | tail -40",
        "lsblk -o NAME,SIZE,RO,MOUNTPOINT",
    ),
    advice="make a copy of the disk, then unmount, check and mount it again; a root file system is checked by a reboot",
)


class DiskParameters(DiagnoseParameters):
    """Parameters of the playbook."""


def disk_read_only(case: Case, hands: Hands) -> End | Refusal:
    """See to one server."""
    return diagnosing.see_to(case, hands, SITUATION)


DISK_READ_ONLY = diagnosing.declared(
    name="disk_read_only",
    run=disk_read_only,
    parameters=DiskParameters,
    situation=SITUATION,
    summary="Finds out which disk of a server cannot be written and why, runs the rule's command where it gives one, "
    "or tells people.",
)
