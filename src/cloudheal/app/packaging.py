"""The package for a platform that runs functions: code to upload as it is, how to deploy it, and what it depends on.

Which platform is that of the settings' accounts; what it needs besides is the kit of its cloud. The code holds
cloudheal itself, the settings file and the folders of extensions that it names; no secret and no value of an
environment variable. Dependencies are not in it: they are compiled for the platform, so they are built there, as a
layer, from the same hashed list that this version was tested with.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

import cloudheal
from cloudheal.app.rules import rules_of
from cloudheal.clouds.alibaba import deployment as alibaba
from cloudheal.clouds.deployments import SETTINGS_FILE, Kit, Packed
from cloudheal.clouds.tencent import deployment as tencent
from cloudheal.errors import SettingsError
from cloudheal.model.resource import Cloud
from cloudheal.settings.loader import load_settings, located
from cloudheal.settings.schema import Settings

#: The same code makes the same bytes: no file carries the time at which it was packed.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SKIPPED = ("__pycache__",)
#: The engine for logs is compiled for this machine and not for the platform, where no logs are counted.
_COMPILED = (".so", ".c", ".h")
#: Zip's number for a system whose files have modes.
_UNIX = 3


@dataclass(frozen=True, slots=True)
class Package:
    """What was made: the folder, how many files the code holds, what lies beside it, and the variables it reads."""

    folder: Path
    files: int
    beside: tuple[str, ...]
    variables: tuple[str, ...]


def package_function(config: Path, output: Path) -> Package:
    """Write the package of a settings file into a folder. Raises SettingsError when a function could not run it."""
    settings = load_settings(config)
    with located(config):
        rules_of(settings)
        _check(settings)
        kit = _kit(settings)
        own = Packed(SETTINGS_FILE, config.read_bytes())
        files = [*kit.packed, *_own_code(), *_extensions(settings, config), own]
    beside = {**kit.beside, "layer/requirements.txt": _requirements()}
    output.mkdir(parents=True, exist_ok=True)
    _zip(output / "code.zip", files)
    (output / "layer").mkdir(exist_ok=True)
    for name, text in beside.items():
        (output / name).write_text(text, encoding="utf-8")
    return Package(output, len(files), tuple(beside), kit.variables)


def _kit(settings: Settings) -> Kit:
    clouds = {account.cloud for account in settings.accounts}
    if not clouds:
        raise SettingsError(
            "accounts: there are none, and a function takes in the events of an account",
            what_to_do="Logs are followed by a worker on the machine that writes them: cloudheal run.",
            field=("logs",),
        )
    if len(clouds) > 1:
        raise SettingsError(
            "accounts: they are of both clouds, and a function runs on the platform of one",
            what_to_do="Write a settings file for each cloud, and make a package of each; with act: inline each has a "
            "database of its own.",
            field=("accounts",),
        )
    return tencent.kit_of(settings) if Cloud.TENCENT in clouds else alibaba.kit_of(settings)


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


def _own_code() -> Iterator[Packed]:
    return _files(Path(cloudheal.__file__).parent, "cloudheal")


def _extensions(settings: Settings, config: Path) -> Iterator[Packed]:
    base = config.resolve().parent
    for number, one in enumerate(settings.extensions.folders):
        folder = Path(one).resolve()
        if not folder.is_relative_to(base) or folder == base:
            raise SettingsError(
                f"extensions.folders: {folder} is not below the folder of the settings file, so it cannot be packed",
                what_to_do="Move it beside the settings file and name it relative to it.",
                field=("extensions", "folders", number),
            )
        yield from _files(folder, folder.relative_to(base).as_posix())


def _files(folder: Path, within: str) -> Iterator[Packed]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and path.suffix not in _COMPILED and not {*inside.parts} & {*_SKIPPED}:
            yield Packed(f"{within}/{inside.as_posix()}", path.read_bytes())


def _requirements() -> str:
    """Return the hashed list of dependencies: beside an installed package, or in the tree that it is run from."""
    home = Path(cloudheal.__file__).parent
    for path in (home / "requirements.txt", home.parents[1] / "requirements" / "run.txt"):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise SettingsError(
        "this installation does not carry its list of dependencies",
        what_to_do="Install the wheel of a release, or run from a checkout.",
    )


def _zip(path: Path, files: list[Packed]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in files:
            entry = zipfile.ZipInfo(one.name, _EPOCH)
            entry.create_system, entry.external_attr = _UNIX, (stat.S_IFREG | one.mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, one.content)
