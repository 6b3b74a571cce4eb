"""Chaos inside the guest: processes that die, memory that runs out, disks and tables that are full, kernels that fail.

The platform that keeps the servers sees nothing of it by itself; what a cloud tells of it is that cloud's matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from pydantic import Field

from cloudheal_sim.guest.guest import CONNTRACK_MAX, Guest, Mount, Process, Situation
from cloudheal_sim.guest.machine import M
from cloudheal_sim.kernel.chaos import ChaosError, NoOptions, named, options_of
from cloudheal_sim.kernel.clock import to_datetime
from cloudheal_sim.kernel.world import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudheal_sim.guest.guests import Guests
    from cloudheal_sim.guest.machine import Machine
    from cloudheal_sim.kernel.chaos import Chaos

#: How many connections a small table of the kernel holds: what images of earlier years had.
_SMALL_TABLE = 65_536


class ProcessOptions(Part):
    """Which process."""

    process: str


class OomOptions(Part):
    """Which process is killed for want of memory (absent means the one that takes most), and which one holds it."""

    process: str | None = None
    leaking: str | None = None


class DiskOptions(Part):
    """Which file system, and whether it can be mounted for writing again before it was checked or the next boot."""

    mount: str = Field("/", pattern="^/")
    stuck: bool = False


class ConnectionOptions(Part):
    """Which process holds the connections; absent means that they come from outside."""

    process: str | None = None


class BandwidthOptions(Part):
    """Which process sends so much; one of that name is started when there is none."""

    process: str = "backup"


class GuestChaos(Generic[M]):
    """The deeds; `register` makes them known to the chaos of all clouds."""

    def __init__(self, guests: Guests[M]) -> None:
        self._guests = guests

    def register(self, chaos: Chaos) -> Chaos:
        """Add every deed of this module."""
        deeds: dict[str, tuple[type[Part], Callable[[M, Guest, Any], object]]] = {
            "process_die": (ProcessOptions, self._process_die),
            "guest_reboot": (NoOptions, self._guest_reboot),
            "out_of_memory": (NoOptions, self._out_of_memory),
            "oom_kill": (OomOptions, self._oom_kill),
            "disk_read_only": (DiskOptions, self._disk_read_only),
            "conntrack_full": (ConnectionOptions, self._conntrack_full),
            "connection_limit": (ConnectionOptions, self._connection_limit),
            "bandwidth_cap": (BandwidthOptions, self._bandwidth_cap),
            "kernel_fault": (NoOptions, self._kernel_fault),
        }
        for name, (model, deed) in deeds.items():
            chaos.register(name, self._guests.machines.__contains__, self._on_id(model, deed))
        return chaos

    def _on_id(
        self, model: type[Part], deed: Callable[[M, Guest, Any], object]
    ) -> Callable[[str, Mapping[str, Any]], None]:
        def do(id_: str, options: Mapping[str, Any]) -> None:
            asked = options_of(model, options)
            machine = named(self._guests.machines, id_)
            before = self._guests.look(machine)
            deed(machine, self._guests.of(machine), asked)
            self._guests.note(machine, before)

        return do

    def _process_die(self, machine: M, guest: Guest, asked: ProcessOptions) -> None:
        guest.end(_running(machine, guest, asked.process))

    def _guest_reboot(self, machine: M, _guest: Guest, _asked: NoOptions) -> None:
        """Restart the system from inside, as a user at its console would."""
        self._guests.reboot(machine)

    def _out_of_memory(self, machine: M, guest: Guest, _asked: NoOptions) -> None:
        """Leave no memory for new processes until the next boot."""
        if not guest.out_of_memory:
            guest.out_of_memory = True
            self._guests.kernel.journal.change("guest.out_of_memory", machine.id, before=False, after=True)
            guest.say(self._now, "Out of memory and no killable processes...", level=3)
            self._guests.happened(machine, Situation.OOM)

    def _oom_kill(self, machine: M, guest: Guest, asked: OomOptions) -> None:
        """Have the kernel kill a process for want of memory."""
        own = [one for one in guest.alive() if one.name not in {"sshd", "crond"}] or guest.alive()
        if asked.process is None and not own:
            raise ChaosError(f"process: nothing runs in {machine.id}")
        largest = max(own, key=lambda one: one.memory, default=None)
        victim = _running(machine, guest, asked.process) if asked.process or largest is None else largest
        hog = None if asked.leaking is None else _running(machine, guest, asked.leaking)
        taken, pid = (victim.memory + victim.leaked) * 1024, victim.pid
        guest.say(
            self._now,
            f"{victim.name} invoked oom-killer: gfp_mask=0x100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0",
            f"oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task={victim.name},pid={pid},uid=0",
            f"Out of memory: Killed process {pid} ({victim.name}) total-vm:{taken * 2}kB, anon-rss:{taken}kB",
            level=3,
        )
        guest.end(victim)
        victim.failed = True
        if hog is not None and hog.running:
            hog.leaked += max(0, guest.memory * 97 // 100 - guest.used)
        self._guests.happened(machine, Situation.OOM)

    def _disk_read_only(self, _machine: M, guest: Guest, asked: DiskOptions) -> None:
        """Let nothing be written to a file system until it is mounted anew or the next boot."""
        found = next((one for one in guest.mounts if one.target == asked.mount), None)
        if found is None:
            found = Mount(asked.mount, f"/dev/vd{'bcdefgh'[min(len(guest.mounts) - 1, 6)]}")
            guest.mounts.append(found)
        if found.read_only and found.stuck is asked.stuck:
            return
        found.read_only, found.stuck = True, asked.stuck
        name = found.source.rpartition("/")[2]
        guest.say(
            self._now,
            f"blk_update_request: I/O error, dev {name}, sector 2048 op 0x1:(WRITE)",
            f"EXT4-fs error (device {name}): ext4_journal_check_start:61: Detected aborted journal",
            f"EXT4-fs ({name}): Remounting filesystem read-only",
            level=3,
        )

    def _conntrack_full(self, machine: M, guest: Guest, asked: ConnectionOptions) -> None:
        """Fill the table of connections of the kernel."""
        guest.kernel[CONNTRACK_MAX] = str(_SMALL_TABLE)
        self._connect(machine, guest, asked.process, _SMALL_TABLE)
        guest.say(self._now, "nf_conntrack: nf_conntrack: table full, dropping packet", level=4)

    def _connection_limit(self, machine: M, guest: Guest, asked: ConnectionOptions) -> None:
        """Open as many connections as the network lets a server have."""
        self._connect(machine, guest, asked.process, guest.session_limit)

    def _bandwidth_cap(self, _machine: M, guest: Guest, asked: BandwidthOptions) -> None:
        """Send more than the network lets a server send."""
        name = asked.process
        found = guest.find(name) or Process(name, running=False, starts_at_boot=False, passing=True)
        guest.start(found).traffic = guest.bandwidth * 1.5

    def _kernel_fault(self, machine: M, guest: Guest, _asked: NoOptions) -> None:
        """Have the kernel fail: it leaves a dump and restarts by itself."""
        now, folder = self._now, f"/var/crash/127.0.0.1-{to_datetime(self._now):%Y-%m-%d-%H:%M:%S}"
        guest.say(
            now,
            "BUG: unable to handle page fault for address: ffffffffc0a81000",
            "Oops: 0000 [#1] SMP NOPTI",
            "Kernel panic - not syncing: Fatal exception",
            level=0,
        )
        guest.files[f"{folder}/vmcore-dmesg.txt"] = "".join(f"{one.text}\n" for one in guest.log[-3:])
        guest.files[f"{folder}/vmcore"] = "(dump)\n"
        self._guests.happened(machine, Situation.KERNEL_FAULT)
        self._guests.reboot(machine)

    def _connect(self, machine: M, guest: Guest, name: str | None, count: int) -> None:
        missing = max(0, count - guest.sessions)
        if name is None:
            guest.connections += missing
        else:
            _running(machine, guest, name).connections += missing

    @property
    def _now(self) -> int:
        return self._guests.kernel.clock.now()


def _running(machine: Machine, guest: Guest, name: str | None) -> Process:
    """Return a running process. Raises ChaosError when there is none of that name."""
    found = guest.find(name or "")
    if found is None or not found.running:
        running = ", ".join(sorted(one.name for one in guest.alive()))
        raise ChaosError(f"process: {name!r} does not run in {machine.id}; running are {running}")
    return found
