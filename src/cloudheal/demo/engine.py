"""The demo's engine: a handler with the settings of this evening, whose rules are trusted by its own script."""

from __future__ import annotations

from pathlib import Path

from cloudheal.demo.fleet import RULES, settings
from cloudheal.drills.stage.door import Door
from cloudheal.drills.stage.handler import HandlerProcess


class Engine(HandlerProcess):
    """One `cloudheal run` after another, on one database."""

    def __init__(self, folder: Path, url: str, language: str, door: Door) -> None:
        self.database = f"sqlite:///{folder / 'cloudheal.db'}"
        super().__init__(folder, settings(url, self.database, language, door))

    def promote(self) -> list[str]:
        """Trust the demo's rules; a new rule only records until somebody does."""
        return [self.command("rules", "promote", rule).strip() for rule in RULES]
