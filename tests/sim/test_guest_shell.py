"""Whatever text is given to a guest as a script, the simulator lives, time passes, and memory stays bounded."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal_sim.guest.command_line import Inside
from cloudheal_sim.guest.guest import Guest, fresh_guest
from cloudheal_sim.guest.shell import MOST_OUTPUT, MOST_TEXT, Session, proceed

WORDS = [
    *("if", "then", "else", "elif", "fi", "while", "until", "for", "in", "do", "done", "break", "continue", "{", "}"),
    *(";", "&&", "||", "|", "&", "\n", "(", ")", "!", ">", ">>", "2>&1", "<", "<<", "'", '"', "\\", "$(", "$((", "))"),
    *("$?", "$a", "${a}", "a=", "a=$a$a", "echo", "printf", "%s", "exit", "3", "sleep", "1", "true", "false", "grep"),
    *("cat", "/tmp/f", "bash", "-c", "sh", "pgrep", "sshd", "kill", "ps", "head", "-n", "test", "[", "]", "-eq", "="),
    *(
        "curl",
        "http://[::1",
        "date",
        "+%Q",
        "timeout",
        "nohup",
        "./x",
        "set",
        "-e",
        "wc",
        "rm",
        "touch",
        "²",
        "\0",
        "é",
    ),
]


def ended(script: str, guest: Guest, bursts: int = 12) -> Session:
    """Run a script for a dozen bursts and return it."""
    session = Session(script)
    for _ in range(bursts):
        inside = Inside(guest, "i-bp1one", "web-01", 1_772_420_400_000, lambda: None, lambda: None)
        if proceed(session, inside) == 0:
            break
    return session


@given(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join) | st.text(max_size=200))
def test_no_text_brings_the_shell_down(script: str) -> None:
    """Every script ends with an exit code or goes on waiting; no exception leaves the shell."""
    session = ended(script, fresh_guest(0))
    assert 0 <= session.status <= 255
    assert len(session.output) <= MOST_OUTPUT


@pytest.mark.parametrize(
    "script",
    [
        "while true; do :; done",
        "a=x; while true; do a=$a$a; done",
        "a=xxxxxxxxxxxxxxxx; a=$a$a$a$a$a$a$a$a; a=$a$a$a$a$a$a$a$a; a=$a$a$a$a$a$a$a$a; echo " + "$a" * 8000,
        "a=xxxxxxxxxxxxxxxx; a=$a$a$a$a$a$a$a$a; a=$a$a$a$a$a$a$a$a; a=$a$a$a$a$a$a$a$a; echo " + "$a " * 8000,
        "echo 'bash /tmp/f; bash /tmp/f' > /tmp/f; bash /tmp/f",
        "while true; do bash -c 'while true; do bash -c true; done'; done",
        "i=9; while true; do i=$((i*i*i)); done",
        "i=0; while true; do i=$((i+1)); ./x$i & done",
        "i=0; while true; do i=$((i+1)); touch /tmp/$i; done",
        "while true; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx >> /tmp/f; cat /tmp/f /tmp/f; done",
        "(" * 20_000,
        "$(" * 10_000,
        "if " * 8000,
        "for i in 1 2 3 4 5 6 7 8 9; do " * 30 + "true; " + "done; " * 30,
        "echo " + "a" * 20_000 + " | grep '" + ".*a" * 60 + "b'",
        "echo " + "a" * 20_000 + " | grep -E '" + "a?" * 90 + "a" * 90 + "'",
    ],
    ids=lambda script: script[:40],
)
def test_greedy_scripts_stay_within_bounds(script: str) -> None:
    """Endless loops, doubling variables, fork and recursion bombs and slow patterns cost a bounded moment."""
    guest, begun = fresh_guest(0), time.process_time()
    session = ended(script, guest)
    assert time.process_time() - begun < 20
    assert len(session.output) <= MOST_OUTPUT
    assert all(len(value) <= MOST_TEXT for value in session.variables.values())
    assert sum(len(name) + len(text) for name, text in guest.files.items()) <= 65_536
    assert len(guest.processes) <= 500
