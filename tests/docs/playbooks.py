"""The reference page of the built-in playbooks: what stands between the marks is read from their declarations.

`python -m tests.docs.playbooks` (part of `make reference`) writes it anew in both languages.
"""

from __future__ import annotations

import re
from pathlib import Path

from cloudheal.app import extensions_of
from cloudheal.cli.playbook_texts import TRANSLATED
from cloudheal.cli.playbooks import ParameterRow, parameters_of, steps_of
from cloudheal.cli.texts import TEXTS
from cloudheal.settings import Settings
from tests.conftest import ROOT

ACCOUNT = {"name": "a", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"]}
EXTENSIONS = extensions_of(Settings.model_validate({"accounts": [ACCOUNT], "extensions": {"packages": False}}))
_BLOCK = re.compile(r"<!-- playbook (?P<name>\w+) -->\n(?P<body>.*?)<!-- end playbook -->", re.DOTALL)
_HEAD = {"en": "| parameter | default | meaning |", "zh": "| 参数 | 默认 | 含义 |"}
_REQUIRED = {"en": "required", "zh": "必填"}


def path_of(language: str) -> Path:
    """Return where the page of a language stands."""
    return ROOT / "docs" / language / "reference" / "playbooks.md"


def names_on(language: str) -> list[str]:
    """Return the playbooks that the page describes."""
    return [found["name"] for found in _BLOCK.finditer(path_of(language).read_text(encoding="utf-8"))]


def page(language: str) -> str:
    """Return the text of the page as the declarations have it."""
    return _BLOCK.sub(lambda found: _block(found["name"], language), path_of(language).read_text(encoding="utf-8"))


def _block(name: str, language: str) -> str:
    playbook, texts = EXTENSIONS.library.playbooks[name], TEXTS[language]
    said = TRANSLATED.get(language, {}).get(name)
    events = ", ".join(f"`{one}`" for one in EXTENSIONS.triggers if one.trouble in playbook.troubles)
    lines = [
        said.summary if said else playbook.summary,
        "",
        f"- {texts['playbook.started_by'].format(events=events)}",
        f"- {texts['playbook.verbs'].format(verbs=', '.join(f'`{one}`' for one in playbook.may_ask))}",
        f"- {texts[f'playbook.risk.{playbook.risk}']}",
        f"- {texts['playbook.reversible' if playbook.reversible else 'playbook.irreversible']}",
        *(
            f"- {texts['playbook.step'].format(number=number, step=one)}"
            for number, one in enumerate(steps_of(playbook, said), 1)
        ),
        *(
            f"- {texts['playbook.promise'].format(promise=one)}"
            for one in (said.promises if said else playbook.promises)
        ),
        "",
        _HEAD[language],
        "| --- | --- | --- |",
        *(_row(row, language) for row in parameters_of(playbook, said)),
    ]
    return "\n".join([f"<!-- playbook {name} -->", *lines, "<!-- end playbook -->"])


def _row(row: ParameterRow, language: str) -> str:
    default = f"`{row.default}`" if row.default else _REQUIRED[language]
    return f"| `{row.name}` | {default} | {row.meaning} |"


def main() -> None:
    """Write both pages anew."""
    for language in ("en", "zh"):
        path_of(language).write_text(page(language), encoding="utf-8")


if __name__ == "__main__":
    main()
