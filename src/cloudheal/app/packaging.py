"""The package for Function Compute: code that can be uploaded as it is, how to deploy it, and what it depends on.

The code holds cloudheal itself, the settings file and the folders of extensions that it names; no secret and no value
of an environment variable. Dependencies are not in it: they are compiled for the platform, so they are built there, as
a layer, from the same hashed list that this version was tested with.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

import cloudheal
from cloudheal.app.rules import rules_of
from cloudheal.clouds.alibaba.deployment import description_of, variables_of
from cloudheal.errors import SettingsError
from cloudheal.settings.loader import load_settings, located
from cloudheal.settings.schema import Settings

ENTRANCE = '''"""What Function Compute calls: index.handler."""

from cloudheal.function import handler

__all__ = ["handler"]
'''
#: The same code makes the same bytes: no file carries the time at which it was packed.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SKIPPED = ("__pycache__",)
_README = """\
cloudheal as a function: what is here and what to do
=====================================================

code.zip               upload it as it is, or let s.yaml do so; handler: index.handler
s.yaml                 for Serverless Devs; change the lines marked <<<
layer/requirements.txt the dependencies with their hashes

1. Build the layer where the platform's wheels fit: Debian 11, Python 3.12.
     docker run --rm -v "$PWD/layer:/layer" python:3.12-slim-bullseye \\
       pip install --require-hashes --target /layer/python -r /layer/requirements.txt
     (cd layer && zip -qr ../layer.zip python)
   Publish layer.zip as a layer `cloudheal-dependencies` for {runtime} and write its version into s.yaml.
2. Export what s.yaml names: {variables}
3. s deploy
4. Make the function a target of the event rules in CloudMonitor or EventBridge.

The database must be reachable from the function's network; its password is PGPASSWORD. The timer calls the function
each minute, so that what a call had to leave goes on.
"""


@dataclass(frozen=True, slots=True)
class Package:
    """What was made."""

    folder: Path
    files: int
    variables: tuple[str, ...]


def package_function(config: Path, output: Path) -> Package:
    """Write the package of a settings file into a folder. Raises SettingsError when a function could not run it."""
    settings = load_settings(config)
    with located(config):
        rules_of(settings)
        _check(settings)
        files = [*_own_code(), *_extensions(settings, config), ("cloudheal.yaml", config.read_bytes())]
    output.mkdir(parents=True, exist_ok=True)
    _zip(output / "code.zip", [("index.py", ENTRANCE.encode()), *files])
    (output / "s.yaml").write_text(description_of(settings, settings.accounts[0].regions[0]), encoding="utf-8")
    (output / "layer").mkdir(exist_ok=True)
    (output / "layer" / "requirements.txt").write_bytes(_requirements())
    variables = tuple(variables_of(settings))
    readme = _README.format(runtime="python3.12", variables=", ".join(variables))
    (output / "README.txt").write_text(readme, encoding="utf-8")
    return Package(output, len(files) + 1, variables)


def _check(settings: Settings) -> None:
    """Refuse what cannot work in a function, or must not be in a package."""
    if not settings.database.startswith("postgresql"):
        raise SettingsError(
            "database: a function needs postgresql://, because SQLite's file ends with the function's instance",
            what_to_do="Name a PostgreSQL database that the function's network reaches.",
            field=("database",),
        )
    if sa.make_url(settings.database).password:
        raise SettingsError(
            "database: the password would be in the package",
            what_to_do="Leave it out of the URL; the function reads it from PGPASSWORD.",
            field=("database",),
        )


def _own_code() -> Iterator[tuple[str, bytes]]:
    home = Path(cloudheal.__file__).parent
    yield from ((f"cloudheal/{name}", content) for name, content in _files(home))


def _extensions(settings: Settings, config: Path) -> Iterator[tuple[str, bytes]]:
    base = config.resolve().parent
    for number, one in enumerate(settings.extensions.folders):
        folder = Path(one).resolve()
        if not folder.is_relative_to(base) or folder == base:
            raise SettingsError(
                f"extensions.folders: {folder} is not below the folder of the settings file, so it cannot be packed",
                what_to_do="Move it beside the settings file and name it relative to it.",
                field=("extensions", "folders", number),
            )
        name = folder.relative_to(base).as_posix()
        yield from ((f"{name}/{file}", content) for file, content in _files(folder))


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not {*inside.parts} & {*_SKIPPED}:
            yield inside.as_posix(), path.read_bytes()


def _requirements() -> bytes:
    """Return the hashed list of dependencies: beside an installed package, or in the tree that it is run from."""
    home = Path(cloudheal.__file__).parent
    for path in (home / "requirements.txt", home.parents[1] / "requirements" / "run.txt"):
        if path.is_file():
            return path.read_bytes()
    raise SettingsError(
        "this installation does not carry its list of dependencies",
        what_to_do="Install the wheel of a release, or run from a checkout.",
    )


def _zip(path: Path, files: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
