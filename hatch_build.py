"""Compiles the engine that counts logs, where there is a compiler; without one the package works, and says so.

The wheel with the module is one for every Python from 3.11 on (stable ABI); without it, it is pure. An editable
installation compiles in place. `python hatch_build.py` does that alone, and takes CFLAGS and LDFLAGS as compilers do.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run alone, in an environment without the builder
    BuildHookInterface = object  # type: ignore[assignment,misc]

ROOT = Path(__file__).parent
FOLDER = Path("src/cloudheal/logs")
MODULE = "_native.abi3.so"
SOURCES = sorted((ROOT / FOLDER / "native").glob("*.c"))


class EngineHook(BuildHookInterface):  # type: ignore[misc]
    """What hatchling asks before it packs."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell the builder what it packs."""
        if self.target_name != "wheel":
            return
        into = ROOT / FOLDER if version == "editable" else Path(tempfile.mkdtemp(prefix="cloudheal-engine-"))
        made = compiled(into)
        if made:
            from packaging.tags import sys_tags  # noqa: PLC0415 - only where a wheel is built

            platform = next(sys_tags()).platform
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{platform}"
            if version != "editable":
                build_data["force_include"][str(made)] = f"cloudheal/logs/{MODULE}"


def compiled(into: Path) -> Path | None:
    """Compile the module into a folder; None, and a word about it, where that is not possible."""
    from setuptools import Distribution, Extension  # noqa: PLC0415 - slow to import
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415

    extension = Extension(
        "cloudheal.logs._native",
        [str(one) for one in SOURCES],
        extra_compile_args=["-O3", "-std=c11", "-fvisibility=hidden"],
        py_limited_api=True,
    )
    with tempfile.TemporaryDirectory(prefix="cloudheal-build-") as scratch:
        command = build_ext(Distribution({"name": "cloudheal", "ext_modules": [extension]}))
        command.build_lib = command.build_temp = scratch
        try:
            command.ensure_finalized()
            command.run()
            (made,) = Path(scratch).rglob("_native*.so")
        except Exception as error:  # noqa: BLE001 - whatever a strange machine comes up with, the package must install
            sys.stderr.write(f"cloudheal: the engine for logs was not compiled ({error}); the slower one will count.\n")
            (into / MODULE).unlink(missing_ok=True)
            return None
        # By way of another name: who has the old one loaded keeps it.
        fresh = into / f"{MODULE}.new"
        fresh.write_bytes(made.read_bytes())
        return fresh.replace(into / MODULE)


if __name__ == "__main__":
    sys.exit(0 if compiled(ROOT / FOLDER) else 1)
