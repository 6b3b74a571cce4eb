"""What a process knows to be secret is gone from its log lines, from tracebacks, and from what a function raises."""

from __future__ import annotations

import io
import logging
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cloudheal import cli
from cloudheal.errors import PermanentError, SettingsError
from cloudheal.function import handler
from cloudheal.settings.discretion import discreet, is_discreet, learn, tell_of_dead_threads, told
from cloudheal.settings.schema import Settings
from cloudheal.settings.secrets import MASK

SECRET = "uD7/kW3+zQ9xB5nT1vL8"
ACCOUNT = {
    "name": "prod",
    "cloud": "alibaba",
    "id": "1000000000000001",
    "regions": ["cn-hangzhou"],
    "access_key_secret_env": "DISCRETION_SECRET",
}


@pytest.fixture(autouse=True)
def knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process know one secret."""
    monkeypatch.setenv("DISCRETION_SECRET", SECRET)
    learn(Settings.model_validate({"accounts": [ACCOUNT]}), {"DISCRETION_SECRET": SECRET})


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Collect what a handler of somebody else writes, with a format of its own."""
    stream = io.StringIO()
    handler_ = logging.StreamHandler(stream)
    handler_.setFormatter(logging.Formatter("[%(name)s] %(message)s"))
    library = logging.getLogger("some.library")
    library.propagate = False
    library.addHandler(handler_)
    yield stream
    library.removeHandler(handler_)
    library.propagate = True


def fail() -> None:
    """Raise an error that quotes a secret, from another one that does."""
    keys: dict[str, str] = {}
    try:
        keys[SECRET]
    except KeyError as problem:
        raise RuntimeError(f"not signed with {SECRET}") from problem


def test_messages_arguments_and_tracebacks_of_every_logger_are_masked(written: io.StringIO) -> None:
    """A library that logs through its own handler is no exception; what holds no secret is as it was."""
    library = logging.getLogger("some.library")
    library.warning("signed with " + SECRET)
    library.warning("signed with %s by %r", SECRET, {"key": SECRET})
    library.warning("signed by %d of %s", 7, "us")
    try:
        fail()
    except RuntimeError:
        library.exception("failed with %s", SECRET)
    assert SECRET not in written.getvalue()
    lines = written.getvalue().splitlines()
    assert lines[:3] == [
        f"[some.library] signed with {MASK}",
        f"[some.library] signed with {MASK} by {{'key': '{MASK}'}}",
        "[some.library] signed by 7 of us",
    ]
    assert lines[3] == f"[some.library] failed with {MASK}"
    assert f"KeyError: '{MASK}'" in lines
    assert lines[-1] == f"RuntimeError: not signed with {MASK}"


def test_arguments_that_do_not_fit_are_not_printed(written: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """The library would print them all to standard error, beside the traceback."""
    logging.getLogger("some.library").warning("%d of them", SECRET)
    assert written.getvalue() == "[some.library] %d of them (its arguments do not fit)\n"
    assert SECRET not in capsys.readouterr().err


def test_a_thread_that_dies_is_logged_without_secrets(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself its traceback would be printed as it is."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    tell_of_dead_threads()
    thread = threading.Thread(target=fail, name="careless")
    thread.start()
    thread.join()
    assert "thread.died name=careless" in caplog.text
    assert f"not signed with {MASK}" in caplog.text
    assert SECRET not in caplog.text


def test_an_error_that_a_command_did_not_foresee_is_shown_without_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback is there, for whoever reports it; it ends with 1."""
    monkeypatch.setattr(cli, "application", lambda _words: fail)
    with pytest.raises(SystemExit) as end:
        cli.main()
    shown = capsys.readouterr().err
    assert end.value.code == 1
    assert f"RuntimeError: not signed with {MASK}" in shown
    assert "Traceback" in shown
    assert SECRET not in shown


def test_a_function_raises_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The platform shows an error with all that led to it: one that holds a secret is told anew, without it."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "broken.py").write_text(f"raise RuntimeError('no session for {SECRET}')", encoding="utf-8")
    config = tmp_path / "cloudheal.yaml"
    document = {"accounts": [ACCOUNT], "database": "postgresql://x@127.0.0.1:9/x", "extensions": {"folders": ["own"]}}
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setenv("CLOUDHEAL_CONFIG", str(config))
    with pytest.raises(PermanentError) as raised:
        handler(b"{}", None)
    shown = "".join(traceback.format_exception(raised.value))
    assert f"no session for {MASK}" in shown
    assert "broken.py" in shown
    assert SECRET not in shown


def test_a_function_raises_what_holds_no_secret_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its class says what to do."""
    monkeypatch.setenv("CLOUDHEAL_CONFIG", str(tmp_path / "none.yaml"))
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        handler(b"{}", None)


def test_what_was_learnt_is_not_forgotten() -> None:
    """Other settings in the same process add to it."""
    learn(Settings.model_validate({"accounts": [ACCOUNT]}), {"DISCRETION_SECRET": "another-secret-9x8y7z"})
    assert discreet(f"{SECRET} another-secret-9x8y7z") == f"{MASK} {MASK}"
    problem = RuntimeError(SECRET)
    assert not is_discreet(problem)
    assert told(problem) == f"RuntimeError: {MASK}"
