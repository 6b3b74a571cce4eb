"""The system inside a server, as small as a healer's commands can see it: processes, files, uptime, boot id.

A guest is made when somebody first looks inside; until then a server needs none. Processes that do not start at
boot are gone after a reboot. Time comes in as epoch milliseconds; nothing here plans timers.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import StrEnum

#: The first process id handed out; lower ones belong to the kernel.
FIRST_PID = 1001
#: Characters of all files together; what a command writes beyond that does not fit on the disk.
DISK_SIZE = 65_536
#: Processes that a guest can have.
MOST_PROCESSES = 500
KERNEL_VERSION = "5.4.119-19.0009.44"
#: Lines of a kernel's log, and boots, that are remembered.
MOST_LINES = 200
MOST_BOOTS = 10
#: Kernel parameters that the programs know, as an image sets them.
KERNEL_PARAMETERS = {
    "kernel.tainted": "0",
    "net.ipv4.icmp_echo_ignore_all": "0",
    "net.ipv4.ip_forward": "0",
    "net.netfilter.nf_conntrack_max": "262144",
    "net.netfilter.nf_conntrack_tcp_timeout_established": "432000",
    "net.netfilter.nf_conntrack_tcp_timeout_time_wait": "120",
    "vm.overcommit_memory": "0",
    "vm.panic_on_oom": "0",
}
CONNTRACK_MAX = "net.netfilter.nf_conntrack_max"
#: What runs on every image.
_STOCK = ("sshd", "crond")


class Situation(StrEnum):
    """What may be wrong inside, as far as a cloud tells of it; the first three happen, the others begin and end."""

    REBOOT = "reboot"
    OOM = "oom"
    KERNEL_FAULT = "kernel_fault"
    DISK_READ_ONLY = "disk_read_only"
    CONNTRACK_FULL = "conntrack_full"
    CONNECTION_LIMIT = "connection_limit"
    BANDWIDTH_CAP = "bandwidth_cap"


@dataclass(slots=True)
class Mount:
    """One file system."""

    target: str
    source: str
    kind: str = "ext4"
    read_only: bool = False
    mounted: bool = True
    stuck: bool = False
    """True while its errors keep it from being written to: until it is checked, or the next boot."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the kernel's log; levels as syslog numbers them."""

    at: int
    text: str
    level: int = 6


@dataclass(slots=True)
class Process:
    """One program: installed, and running or not."""

    name: str
    running: bool = True
    starts_at_boot: bool = True
    port: int | None = None
    """Where it answers HTTP, None when it does not."""
    command: str = ""
    """Its command line; empty is its name."""
    pid: int = 0
    passing: bool = False
    """True for what a command started and no document knows: it is forgotten when it ends."""
    memory: int = 40
    """MB that it takes."""
    leaked: int = 0
    """MB more that it has come to hold; gone when it ends, as are its connections and its traffic."""
    connections: int = 0
    traffic: float = 0.0
    """Mbit a second that it sends out of the network."""
    failed: bool = False
    """True since it was killed for want of memory, until it is started or stopped."""

    @property
    def line(self) -> str:
        """The command line as `ps` shows it."""
        return self.command or self.name


@dataclass(slots=True, eq=False)
class Guest:
    """The inside of one server."""

    booted: int
    processes: list[Process] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    mounts: list[Mount] = field(default_factory=lambda: [Mount("/", "/dev/vda1")])
    out_of_memory: bool = False
    any_program: bool = False
    """True when any program given by its path may be started in the background, none having been declared."""
    down: bool = False
    turn_due: int | None = None
    """When a reboot from inside takes the system down, or brings it up again."""
    next_pid: int = FIRST_PID
    kernel: dict[str, str] = field(default_factory=dict)
    """Kernel parameters that are not as the image sets them."""
    log: list[Line] = field(default_factory=list)
    """What the kernel said since it came up."""
    last_log: list[Line] = field(default_factory=list)
    """What it said before that."""
    boots: list[int] = field(default_factory=list)
    """When it came up before, oldest first."""
    memory: int = 4096
    """MB of all memory."""
    connections: int = 40
    """Those of no process in particular."""
    session_limit: int = 250_000
    """Connections that the network lets it have at once."""
    bandwidth: float = 5.0
    """Mbit a second that the network lets it send out."""

    @property
    def read_only(self) -> bool:
        """True while nothing can be written to the root file system."""
        return self.mount_of("/").read_only

    @property
    def used(self) -> int:
        """MB of memory that is taken."""
        wanted = 300 + sum(one.memory + one.leaked for one in self.alive())
        return self.memory - 8 if self.out_of_memory else min(self.memory - 8, wanted)

    @property
    def sessions(self) -> int:
        """Connections that are open."""
        return self.connections + sum(one.connections for one in self.alive())

    @property
    def traffic(self) -> float:
        """Mbit a second that are sent, no more than the network lets through."""
        return min(self.bandwidth, self.wanted_traffic)

    @property
    def wanted_traffic(self) -> float:
        """Mbit a second that would be sent if there were no limit."""
        return 0.1 + sum(one.traffic for one in self.alive())

    def parameter(self, name: str) -> str | None:
        """Return a kernel parameter, None when there is none of that name."""
        return self.kernel.get(name, KERNEL_PARAMETERS.get(name))

    def mount_of(self, path: str) -> Mount:
        """Return the file system that a path is on."""
        found = [one for one in self.mounts if one.mounted and f"{path}/".startswith(f"{one.target.rstrip('/')}/")]
        return max(found, key=lambda one: len(one.target), default=self.mounts[0])

    def writable(self, path: str) -> bool:
        """Say whether a file may be written."""
        return not self.mount_of(path if path.startswith("/") else f"/{path}").read_only

    def say(self, at: int, *texts: str, level: int = 6) -> Guest:
        """Have the kernel say something."""
        self.log = [*self.log, *(Line(at, text, level) for text in texts)][-MOST_LINES:]
        return self

    def situations(self) -> frozenset[Situation]:
        """Return what is wrong inside now."""
        found = {
            Situation.DISK_READ_ONLY: any(one.read_only for one in self.mounts if one.mounted),
            Situation.CONNTRACK_FULL: self.sessions >= int(self.parameter(CONNTRACK_MAX) or "0"),
            Situation.CONNECTION_LIMIT: self.sessions >= self.session_limit,
            Situation.BANDWIDTH_CAP: self.wanted_traffic > self.bandwidth,
        }
        return frozenset(one for one, holds in found.items() if holds)

    @property
    def serving(self) -> bool:
        """True while its processes would answer a health check."""
        return not self.down and all(one.running for one in self.processes if not one.passing)

    def boot(self, now: int) -> Guest:
        """Come up: what starts at boot runs, the rest does not, passing processes are gone."""
        if now > self.booted:
            self.boots = [*self.boots, self.booted][-MOST_BOOTS:]
            self.last_log, self.log = self.log, []
        self.booted, self.down, self.turn_due, self.next_pid = now, False, None, FIRST_PID
        self.out_of_memory, self.connections = False, min(self.connections, 40)
        self.kernel.clear()
        for mount in self.mounts:
            mount.read_only, mount.mounted, mount.stuck = False, True, False
        for process in [one for one in self.processes if one.running]:
            self.end(process)
        for process in self.processes:
            process.running = process.starts_at_boot
            process.pid = self._new_pid() if process.running else 0
        return self.say(now, f"Linux version {KERNEL_VERSION}", "Command line: root=/dev/vda1 ro console=ttyS0")

    def halt(self, due: int) -> Guest:
        """Go down until `due`."""
        self.down, self.turn_due = True, due
        return self

    def find(self, name: str) -> Process | None:
        """Return a process by name, running or not."""
        return next((one for one in self.processes if one.name == name), None)

    def alive(self) -> list[Process]:
        """Return the running processes."""
        return [one for one in self.processes if one.running]

    def start(self, process: Process) -> Process:
        """Have a process run."""
        if process not in self.processes:
            self.processes.append(process)
        if not process.running or not process.pid:
            process.running, process.pid, process.failed = True, self._new_pid(), False
        return process

    def end(self, process: Process) -> Process:
        """Have a process end."""
        process.running, process.pid = False, 0
        process.leaked, process.connections, process.traffic, process.failed = 0, 0, 0.0, False
        if process.passing:
            self.processes.remove(process)
        return process

    def listening(self, port: int) -> Process | None:
        """Return the running process that answers on a port."""
        return next((one for one in self.alive() if one.port == port), None)

    def room_for(self, path: str, text: str) -> bool:
        """Say whether a file fits on the disk in place of what is there."""
        used = sum(len(name) + len(content) for name, content in self.files.items() if name != path)
        return used + len(path) + len(text) <= DISK_SIZE

    def _new_pid(self) -> int:
        self.next_pid += 1
        return self.next_pid - 1


def fresh_guest(booted: int) -> Guest:
    """Make the guest of a server of which nothing is known."""
    guest = Guest(booted, [Process(name) for name in _STOCK], any_program=True)
    return guest.boot(booted)


def boot_id(machine_id: str, booted: int) -> str:
    """Return what /proc/sys/kernel/random/boot_id shows: another one for every boot."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{machine_id}/{booted}"))
