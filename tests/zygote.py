"""Programs as processes of their own, forked from one that has imported them: a start costs a tenth of a second.

A process made here is as real as any: it has its own pid, pipes, folder and environment, is a child of the test's
process, and dies of kill -9. What is left out is importing the same modules hundreds of times. That they can be
imported, and how, is shown by tests which start `python -m cloudheal` as an operator does.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parent.parent
#: What is imported before the fork, by the program; a module of the tests is run by the first one.
MODULES = {
    "cloudheal": (
        "cloudheal.cli",
        "cloudheal.app.worker",
        "cloudheal.act.engine",
        "cloudheal.clouds.alibaba.setup",
        "cloudheal.drills.runner",
    ),
    "cloudheal_sim": ("cloudheal_sim.cli", "cloudheal_sim.server", "cloudheal_sim.simulator"),
}
#: Of Linux: what the zygote forks becomes a child of whoever asked for it, and can be waited for.
PR_SET_CHILD_SUBREAPER = 36
_LONGEST = 1 << 20
_Request: TypeAlias = dict[str, Any]


class Forked(subprocess.Popen[Any]):
    """A `subprocess.Popen` of `[sys.executable, "-m", MODULE, ...]`, forked from the zygote of its program."""

    def _execute_child(self, args: Sequence[str], *rest: Any) -> None:
        # The arguments' order is that of POSIX's Popen since Python 3.9.
        _, _, _, _, cwd, env, _, _, _, *pipes = rest
        ends: list[int] = pipes[:6]
        interpreter, option, module, *words = (str(word) for word in args)
        if (interpreter, option) != (sys.executable, "-m"):
            raise ValueError(f"a zygote runs modules of this interpreter, not {args}")
        request = {
            "module": module,
            "words": words,
            "folder": str(cwd or Path.cwd()),
            "environment": dict(os.environ if env is None else env),
        }
        standard = [end if end >= 0 else number for number, end in enumerate((ends[0], ends[3], ends[5]))]
        self.pid = _zygote(module if module in MODULES else "cloudheal").fork(request, standard)
        self._child_created = True
        self._close_pipe_fds(*ends)  # type: ignore[attr-defined]


def run(
    command: Sequence[str], *, typed: str = "", timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as `subprocess.run` does, both outputs captured as text."""
    piped = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with Forked(list(command), text=True, **{**piped, **options}) as process:
        try:
            out, err = process.communicate(typed, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


class _Zygote:
    """A process that has imported a program and forks it on demand."""

    def __init__(self, program: str) -> None:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.zygote", str(its.fileno()), *MODULES[program]]
        around = {**os.environ, "PYTHONUTF8": "1"}
        nothing = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, stdin=nothing, stdout=nothing, pass_fds=[its.fileno()], cwd=ROOT, env=around
        )
        its.close()
        self._socket = ours
        atexit.register(self._end)

    def fork(self, request: _Request, standard: Sequence[int]) -> int:
        """Have a process forked with these three files; returns its pid."""
        socket.send_fds(self._socket, [json.dumps(request).encode()], list(standard))
        answer = self._socket.recv(_LONGEST)
        if not answer:
            raise RuntimeError("the zygote is gone; its own words are above")
        return int(answer)

    def _end(self) -> None:
        self._socket.close()
        self._process.wait(timeout=20)


_zygotes: dict[str, _Zygote] = {}


def _zygote(program: str) -> _Zygote:
    if program not in _zygotes:
        _zygotes[program] = _Zygote(program)
    return _zygotes[program]


def serve(channel: socket.socket) -> _Request | None:
    """Fork for each request: None in the zygote when nobody asks any more, the request in what was forked."""
    while True:
        message, files, _, _ = socket.recv_fds(channel, _LONGEST, 3)
        if not message:
            return None
        reading, writing = os.pipe()
        between = os.fork()
        if not between:
            pid = os.fork()
            if pid:
                os.write(writing, str(pid).encode())
                os._exit(0)
            for end in (reading, writing):
                os.close(end)
            return {**json.loads(message), "files": files}
        os.waitpid(between, 0)  # only then is the new process a child of whoever asked
        channel.send(os.read(reading, 64))
        for end in (reading, writing, *files):
            os.close(end)


def become(request: Mapping[str, Any]) -> None:
    """Be the program: its files, folder, environment and words, as if it had just been started."""
    for number, file in enumerate(request["files"]):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    told = request["environment"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [request["folder"], *(one for one in told if one and one not in sys.path)]
    sys.argv = ["", *request["words"]]
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        _ended.append(0)
    except SystemExit as told:
        _ended.append(told.code if isinstance(told.code, int) else bool(told.code))
        raise


#: The exit code of a program that came to its end.
_ended: list[int] = []


def leave() -> None:
    """End at once, after everything else that is to be done: freeing what was imported takes longer than a fork."""
    for file in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            file.flush()
    os._exit(_ended[0] if _ended else 1)


def main(descriptor: str, *modules: str) -> None:
    """Import the modules, then fork until the other end is closed."""
    atexit.register(leave)  # before anybody else, so that it comes last
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(descriptor)) as channel:
        request = serve(channel)
    if request is None:
        _ended.append(0)
    else:
        become(request)


if __name__ == "__main__":
    main(*sys.argv[1:])
