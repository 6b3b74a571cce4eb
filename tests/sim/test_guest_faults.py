"""What chaos does inside a server is found by the commands that people look with, and mended by those that mend."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from cloudheal_sim.guest.guest import Situation
from cloudheal_sim.guest.shell import Session, proceed
from cloudheal_sim.kernel.clock import Mode
from cloudheal_sim.simulator import Options, Simulator

ID = "i-bp1web"
WORLD = {
    "now": "2026-03-01T00:00:00Z",
    "alibaba": {
        "instances": [
            {"id": ID, "guest": {"processes": ["sshd", {"name": "web", "port": 8080, "memory": 900}, "cache"]}},
        ]
    },
}


@dataclass
class Server:
    """A server of a simulator in this process, and what was told of it."""

    simulator: Simulator
    told: list[tuple[Situation, bool]] = field(default_factory=list)

    def does(self, script: str) -> tuple[int, str]:
        """Run a script inside; returns its exit code and what it printed."""
        guests = self.simulator.alibaba.ecs.guests
        machine = guests.machines.find(ID)
        assert machine is not None
        before, session = guests.look(machine), Session(script)
        while not session.over:
            self.simulator.kernel.clock.advance(proceed(session, guests.inside(machine, {"USER": "root"})))
        guests.note(machine, before)
        return session.status, session.output

    def shows(self, script: str, text: str) -> bool:
        """Say whether a script succeeds and prints something."""
        status, output = self.does(script)
        return status == 0 and text in output

    def suffers(self, deed: str, **options: object) -> None:
        """Have chaos do something to it."""
        self.simulator.chaos.do(deed, [ID], options)


@pytest.fixture
def server() -> Server:
    """A server on a stepped clock with an application, a cache and sshd."""
    simulator = Simulator(Options(mode=Mode.STEPPED, world=WORLD))
    made = Server(simulator)
    simulator.alibaba.ecs.guests.situations.append(
        lambda _machine, situation, begun: made.told.append((situation, begun))
    )
    simulator.kernel.clock.advance(60)
    return made


def test_an_out_of_memory_kill_shows_and_a_start_mends_it(server: Server) -> None:
    """The kernel's log names the process, its unit has failed, and after a start it is active again."""
    server.suffers("oom_kill")
    assert server.shows("dmesg -T | grep -iE 'out of memory|oom-kill|killed process' | tail -20", "Killed process")
    assert server.does("systemctl is-active web") == (3, "failed\n")
    assert server.shows("systemctl --failed --no-pager", "web.service")
    assert server.does("ss -ltn 'sport = :8080' | grep -q LISTEN")[0] == 1
    assert server.does("systemctl start web && systemctl is-active web") == (0, "active\n")
    assert server.shows("ss -ltn sport = :8080", "0.0.0.0:8080")
    assert server.told == [(Situation.OOM, True)]


def test_a_leak_shows_and_a_restart_gives_the_memory_back(server: Server) -> None:
    """Of what leaks, memory is short and the process stands first in the list; a restart ends both."""
    server.suffers("oom_kill", process="web", leaking="cache")
    available = "free -m | grep Mem | awk '{print $7}'"
    assert int(server.does(available)[1]) < 4096 * 15 // 100
    assert server.does("ps -eo pid,rss,cmd --sort=-rss | head -2 | tail -1")[1].rstrip().endswith("cache")
    assert server.shows("cat /proc/pressure/memory", "some avg10=38.12")
    server.does("systemctl restart cache")
    assert int(server.does(available)[1]) > 4096 * 15 // 100


def test_a_read_only_disk_shows_and_is_mounted_anew(server: Server) -> None:
    """Nothing can be written, /proc/mounts and findmnt say why, and a remount ends it."""
    server.suffers("disk_read_only")
    assert server.does("touch /tmp/probe")[0] == 1
    assert server.shows("grep ' ro[ ,]' /proc/mounts", "/dev/vda1 / ext4")
    assert server.shows("findmnt -t ext4,xfs -o TARGET,SOURCE,FSTYPE,OPTIONS", "ro,relatime")
    assert server.shows(r"dmesg -T | grep -iE 'ext4\|i/o error\|remount' | tail -40; dmesg", "Remounting filesystem")
    assert server.does("nohup /srv/app/run.sh > /var/log/app.log 2>&1 &\npgrep run.sh")[0] == 1
    assert server.does("mount -o remount,rw / && touch /tmp/probe && ls /tmp/probe") == (0, "/tmp/probe\n")
    assert server.told == [(Situation.DISK_READ_ONLY, True), (Situation.DISK_READ_ONLY, False)]


def test_a_damaged_data_disk_needs_a_check_first(server: Server) -> None:
    """The root can be written meanwhile; the damaged disk refuses until it was unmounted, checked and mounted."""
    server.suffers("disk_read_only", mount="/data", stuck=True)
    assert server.does("touch /tmp/probe")[0] == 0
    assert server.does("touch /data/probe")[0] == 1
    assert server.does("mount -o remount,rw /data")[0] == 32
    assert server.does("fsck -y /dev/vdb")[0] == 8
    status, _ = server.does("umount /data && fsck -y /dev/vdb; mount /data && touch /data/probe")
    assert status == 0


def test_a_full_connection_table_shows_and_a_larger_one_mends_it(server: Server) -> None:
    """Count and maximum meet in /proc, the kernel says that it drops, and sysctl ends it."""
    server.suffers("conntrack_full")
    count = "/proc/sys/net/netfilter/nf_conntrack_count"
    assert server.does(f"cat {count} /proc/sys/net/netfilter/nf_conntrack_max")[1] == "65536\n65536\n"
    assert server.shows("dmesg | tail -1", "table full, dropping packet")
    assert server.shows("ss -s", "estab 65536")
    assert server.shows("conntrack -S", "drop=4182")
    name = "net.netfilter.nf_conntrack_max"
    assert server.does(f"sysctl -w {name}=262144") == (0, f"{name} = 262144\n")
    assert server.does(f"sysctl -n {name}") == (0, "262144\n")
    assert server.told == [(Situation.CONNTRACK_FULL, True), (Situation.CONNTRACK_FULL, False)]


def test_a_leaking_client_pool_ends_with_its_process(server: Server) -> None:
    """The connections lead to one place, and a restart of who holds them ends the packet loss."""
    server.suffers("connection_limit", process="web")
    listed = server.does("ss -tan state established | awk '{print $4}' | sort | uniq -c | sort -rn | head -1")[1]
    assert listed.split()[1] == "10.0.0.50:3306"
    server.does("systemctl restart web")
    assert server.told == [(Situation.CONNECTION_LIMIT, True), (Situation.CONNECTION_LIMIT, False)]


def test_a_job_that_sends_too_much_shows_and_is_stopped(server: Server) -> None:
    """Sar shows the link full; when the job is stopped, it is not."""
    server.suffers("bandwidth_cap", process="nightly")
    assert server.does("sar -n DEV 1 1 | tail -1 | awk '{print $6}'")[1] == "625.00\n"
    server.does("pkill nightly")
    assert float(server.does("sar -n DEV 1 1 | tail -1 | awk '{print $6}'")[1]) < 100
    assert server.told == [(Situation.BANDWIDTH_CAP, True), (Situation.BANDWIDTH_CAP, False)]


def test_a_kernel_fault_leaves_a_dump_and_another_boot(server: Server) -> None:
    """After the restart the log of the boot before says why, the dump is there, and the boot is another one."""
    boot = server.does("cat /proc/sys/kernel/random/boot_id")[1]
    server.suffers("kernel_fault")
    server.simulator.kernel.clock.advance(60)
    assert server.does("cat /proc/sys/kernel/random/boot_id")[1] != boot
    assert server.shows("journalctl -k -b -1 --no-pager | tail -120", "Kernel panic - not syncing")
    assert server.shows("journalctl -b -1 -p err -n 80 --no-pager", "Oops")
    assert server.shows("ls -lt /var/crash | head", "vmcore")
    assert len(server.does("journalctl --list-boots")[1].splitlines()) == 2
    assert server.does("last -x reboot shutdown | head -1")[1].rstrip().endswith("still running")
    assert server.does("uname -r")[0] == 0
    assert server.told == [(Situation.KERNEL_FAULT, True), (Situation.REBOOT, True)]


def test_a_boot_ends_what_was_wrong(server: Server) -> None:
    """A read-only disk, a full table and a busy link are gone after a restart, and whoever listens is told."""
    for deed in ("disk_read_only", "conntrack_full", "bandwidth_cap"):
        server.suffers(deed)
    server.does("reboot")
    server.simulator.kernel.clock.advance(60)
    ended = {situation for situation, begun in server.told if not begun}
    assert ended == {Situation.DISK_READ_ONLY, Situation.CONNTRACK_FULL, Situation.BANDWIDTH_CAP}


@pytest.mark.parametrize(
    "script",
    [
        "ip -br addr; ip route; ss -s; iptables -S | head -50; nft list ruleset | head -80",
        "sysctl net.ipv4.icmp_echo_ignore_all; cat /proc/loadavg; free -m; dmesg -T | tail -50",
        "uptime -s; ls -l /tmp; systemctl --failed --no-pager; findmnt --verify | tail -20",
        "systemd-cgtop -b -n1 -m | head -20; swapon --show",
        "cat /proc/sys/kernel/tainted; lsmod | head -40",
        "df -h; df -i; lsblk -o NAME,SIZE,RO,MOUNTPOINT; journalctl --vacuum-size=200M",
        "ss -tan state time-wait | wc -l; nstat -az TcpExtListenDrops TcpExtListenOverflows",
        "cat /proc/net/dev; systemctl list-timers --no-pager; mount -a; umount /nowhere; mount",
    ],
)
def test_every_diagnosis_command_is_known(server: Server, script: str) -> None:
    """No command of the diagnosis table is missing on a server."""
    assert "command not found" not in server.does(script)[1]


def test_the_inside_of_a_troubled_server_is_in_its_world_document(server: Server) -> None:
    """Mounts, log, kernel parameters, connections and failed units come back from a document as they were."""
    for deed in ("oom_kill", "disk_read_only", "conntrack_full", "bandwidth_cap"):
        server.suffers(deed)
    look = "dmesg; findmnt; sysctl net.netfilter.nf_conntrack_max; ss -s; systemctl --failed; ps -ef; free -m"
    before, document = server.does(look), server.simulator.world.dump()
    server.simulator.world.load(document)
    assert server.does(look) == before
    assert server.simulator.world.dump()["alibaba"] == document["alibaba"]


def test_who_sends_and_who_takes_memory_stands_first(server: Server) -> None:
    """`ps` sorts by processor and by memory, and knows the columns that people ask for."""
    server.suffers("bandwidth_cap", process="nightly")
    busiest = server.does("ps -eo pid,user,pcpu,etime,cmd --sort=-pcpu | head -2 | tail -1")[1]
    assert busiest.split()[-1] == "nightly"
    largest = server.does("ps -eo comm,rss --sort=-rss | head -2 | tail -1")[1]
    assert largest.split()[0] == "web"
    assert server.does("ps -eo colour")[0] == 1
    assert server.does("ls -l /var/crash") == (0, "")
