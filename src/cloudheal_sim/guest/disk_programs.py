"""The programs about disks and file systems: how they are mounted, how full they are, and how to repair them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.guest.command_line import Inside, Invoked, Outcome, Program
from cloudheal_sim.guest.guest import DISK_SIZE
from cloudheal_sim.guest.system_files import options_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.guest.guest import Mount

#: Options of these programs that take a value.
_VALUED = ("-o", "-t")


def _given(call: Invoked) -> tuple[dict[str, str], list[str]]:
    """Return the options that take a value, and the other words that are no options."""
    options, plain, words = dict[str, str](), list[str](), iter(call.words[1:])
    for word in words:
        if word in _VALUED:
            options[word] = next(words, "")
        elif not word.startswith("-"):
            plain.append(word)
    return options, plain


def _found(inside: Inside, name: str) -> Mount | None:
    """Return a file system by where it is, or what it is on."""
    return next((one for one in inside.guest.mounts if name in {one.target, one.source}), None)


def _mount(inside: Inside, call: Invoked) -> Outcome:
    options, plain = _given(call)
    if call.has("a") and "-o" not in options:
        for one in inside.guest.mounts:
            one.mounted = True
        return Outcome()
    if not plain:
        return Outcome(shown="".join(_line(one) for one in inside.guest.mounts if one.mounted))
    found = _found(inside, plain[0])
    if found is None:
        return Outcome(32, errors=f"mount: {plain[-1]}: can't find in /etc/fstab.\n")
    asked = options.get("-o", "rw").split(",")
    if "rw" in asked and found.stuck:
        return Outcome(
            32, errors=f"mount: {found.target}: cannot remount {found.source} read-write, is write-protected.\n"
        )
    if "remount" in asked and not found.mounted:
        return Outcome(32, errors=f"mount: {found.target}: mount point not mounted or bad option.\n")
    found.mounted, found.read_only = True, "ro" in asked or (found.read_only and "rw" not in asked)
    inside.guest.say(inside.now, f"EXT4-fs ({_name(found)}): re-mounted. Opts: {options.get('-o', 'rw')}")
    return Outcome()


def _line(mount: Mount) -> str:
    return f"{mount.source} on {mount.target} type {mount.kind} ({options_of(mount)})\n"


def _name(mount: Mount) -> str:
    return mount.source.rpartition("/")[2]


def _unmount(inside: Inside, call: Invoked) -> Outcome:
    _, plain = _given(call)
    found = _found(inside, plain[0]) if plain else None
    if found is None or not found.mounted:
        return Outcome(32, errors=f"umount: {plain[0] if plain else ''}: not mounted.\n")
    if found.target == "/":
        return Outcome(32, errors="umount: /: target is busy.\n")
    found.mounted = False
    return Outcome()


def _check(inside: Inside, call: Invoked) -> Outcome:
    """`fsck -y DEVICE`, `e2fsck` and `xfs_repair`: repair a file system that nobody uses."""
    _, plain = _given(call)
    found = _found(inside, plain[0]) if plain else None
    if found is None:
        return Outcome(
            8, errors=f"{call.name}: No such file or directory while trying to open {plain[0] if plain else ''}\n"
        )
    if found.mounted:
        return Outcome(8, errors=f"{found.source} is mounted.\n{call.name}: Cannot continue, aborting.\n")
    repaired, found.stuck, found.read_only = found.stuck, False, False
    return Outcome(int(repaired), f"{found.source}: {'FILE SYSTEM WAS MODIFIED' if repaired else 'clean'}\n")


def _find_mount(inside: Inside, call: Invoked) -> Outcome:
    if "--verify" in call.words:
        return Outcome(shown="Success, no errors or warnings detected\n")
    options, plain = _given(call)
    columns = options.get("-o", "TARGET,SOURCE,FSTYPE,OPTIONS").upper().split(",")
    kinds = options["-t"].split(",") if "-t" in options else []
    shown = [one for one in inside.guest.mounts if one.mounted and (not kinds or one.kind in kinds)]
    shown = [one for one in shown if not plain or plain[0] in {one.target, one.source}]
    rows = [columns] * (not call.has("n")) + [[_facts(one).get(name, "") for name in columns] for one in shown]
    text = "".join(f"{' '.join(f'{field:<12}' for field in row).rstrip()}\n" for row in rows)
    return Outcome(int(not shown), text if shown else "")


def _facts(mount: Mount) -> dict[str, str]:
    return {"TARGET": mount.target, "SOURCE": mount.source, "FSTYPE": mount.kind, "OPTIONS": options_of(mount)}


def _space(inside: Inside, call: Invoked) -> Outcome:
    used = sum(len(name) + len(text) for name, text in inside.guest.files.items())
    share = 20 + 75 * min(used, DISK_SIZE) // DISK_SIZE
    units = ("Inodes", "3276800", "65536") if call.has("i") else ("Size", "50G", f"{share / 2:.0f}G")
    percent = 2 if call.has("i") else share
    lines = [f"{'Filesystem':<16}{units[0]:>9}{'Used':>8}{'Avail':>8} Use% Mounted on\n"]
    lines += [
        f"{one.source:<16}{units[1]:>9}{units[2]:>8}{'-':>8} {percent:3d}% {one.target}\n"
        for one in inside.guest.mounts
        if one.mounted
    ]
    return Outcome(shown="".join(lines))


def _devices(inside: Inside, _call: Invoked) -> Outcome:
    lines = [
        f"{_name(one):<8}{'50G':>6}{int(one.read_only):>4} {one.target if one.mounted else ''}\n"
        for one in inside.guest.mounts
    ]
    return Outcome(shown=f"{'NAME':<8}{'SIZE':>6}{'RO':>4} MOUNTPOINT\n{''.join(lines)}")


DISK_PROGRAMS: Mapping[str, Program] = {
    "mount": _mount,
    "umount": _unmount,
    "fsck": _check,
    "e2fsck": _check,
    "xfs_repair": _check,
    "findmnt": _find_mount,
    "df": _space,
    "lsblk": _devices,
}
