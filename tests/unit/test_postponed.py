"""What is imported by others and used by nobody is not loaded, and is there all the same for whoever uses it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cloudheal.postponed import postponed

HEAVY = """
print("loaded")
class Session:
    kind = "real"
    def __init__(self, seconds=0):
        self.seconds = seconds
    def __class_getitem__(cls, kind):
        return cls
class errors:
    class Away(Exception):
        pass
"""
IMPORTER = """
from typing import Optional, Union
import heavy_transport
from heavy_transport import Session, errors
def annotated(session: Session, others: "list[Session]") -> None: ...
evaluated: Optional[Union[Session, int]] = None
more = (Union[Session, int], Optional[Session[int]])
"""


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A heavy module, and one that imports it."""
    (tmp_path / "heavy_transport.py").write_text(HEAVY)
    (tmp_path / "its_importer.py").write_text(IMPORTER)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("heavy_transport", "its_importer"):
        sys.modules.pop(name, None)


def imported() -> Any:
    """Import the importer while the heavy module is postponed."""
    with postponed("heavy_transport"):
        return import_module("its_importer")


def test_what_nobody_uses_is_not_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    """Importing its importer, and naming it in annotations, does not load it."""
    imported()
    assert capsys.readouterr().out == ""
    assert "heavy_transport" not in sys.modules


@pytest.mark.parametrize("name", ["module", "class"])
def test_whoever_uses_it_gets_the_real_thing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the module or by a name out of it; it is loaded once, whenever that is."""
    importer = imported()
    made = importer.heavy_transport.Session(3) if name == "module" else importer.Session(3)
    real = import_module("heavy_transport")
    assert type(made) is real.Session
    assert made.seconds == 3
    assert importer.Session.kind == "real"
    assert capsys.readouterr().out == "loaded\n"


def test_what_came_from_it_is_told_apart() -> None:
    """`isinstance` asks the real class."""
    importer = imported()
    problem = import_module("heavy_transport").errors.Away()
    assert isinstance(problem, importer.errors.Away)
    assert isinstance(importer.Session(), importer.Session)
    assert not isinstance(problem, importer.Session)


def test_what_is_imported_later_is_real_at_once() -> None:
    """Nobody else meets the stand-in."""
    imported()
    assert isinstance(import_module("heavy_transport").Session, type)


def test_what_was_loaded_before_is_left_alone() -> None:
    """The importer has the very module that was there."""
    real = import_module("heavy_transport")
    assert imported().heavy_transport is real


def test_what_is_used_within_the_block_is_loaded_there_and_stays() -> None:
    """A vendor's package that needs it while it is imported does not notice."""
    with postponed("heavy_transport"):
        importer = import_module("its_importer")
        assert importer.Session(1).seconds == 1
    assert isinstance(sys.modules["heavy_transport"], type(sys))
    assert import_module("heavy_transport").Session.kind == "real"


def test_what_it_lacks_is_missed_as_from_any_module() -> None:
    """A name that the real module does not have is an AttributeError when it is used."""
    importer = imported()
    with pytest.raises(AttributeError, match="nothing"):
        importer.heavy_transport.nothing()


def test_a_worker_loads_nothing_that_it_never_uses() -> None:
    """Engine and client on SQLite load no second transport, scheduler or driver; each works when it is asked for."""
    program = (
        "import sys\n"
        "import cloudheal.act.engine, cloudheal.clouds.alibaba.client\n"
        "idle = ('aiohttp', 'apscheduler', 'cryptography', 'psycopg')\n"
        "print(*[one for one in idle if one in sys.modules])\n"
        "import darabonba.core, dbos._sys_db, alibabacloud_tea_openapi.utils\n"
        "import alibabacloud_credentials.provider.ecs_ram_role as role\n"
        "print(darabonba.core.aiohttp.ClientTimeout(total=1).total, type(role.BackgroundScheduler()).__name__)\n"
        "print(isinstance(ValueError(), dbos._sys_db.pg_errors.LockNotAvailable))\n"
        "print(alibabacloud_tea_openapi.utils.hashes.SHA256().name)\n"
        "import aiohttp, psycopg\n"
        "print(aiohttp.ClientSession.__module__, issubclass(psycopg.errors.LockNotAvailable, psycopg.Error))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.splitlines() == ["", "1 BackgroundScheduler", "False", "sha256", "aiohttp.client True"], done


def test_the_object_mapper_is_loaded_before_there_are_threads() -> None:
    """Loading it changes how SQLAlchemy looks at every object: in a thread, others would meet it half made."""
    program = "import sys, cloudheal.act.engine; print('sqlalchemy.orm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "True\n"
