"""A recorded history before the rules and guards of today, on a virtual clock; nothing is written or called.

    history (own record, or JSON lines) -> Replay (one rule book) -> Tally (what would be, against what was)

The walk is that of production: `weighing` decides, whoever counts. What a backtest cannot know, it assumes in one place
(`machine`) and says so.
"""

from cloudheal.pipeline.backtest.comparing import Difference
from cloudheal.pipeline.backtest.lines import Lines
from cloudheal.pipeline.backtest.replay import World
from cloudheal.pipeline.backtest.running import Count, Report, Terms, against_record, against_rules, lead_of
from cloudheal.pipeline.backtest.tally import Would

__all__ = [
    "Count",
    "Difference",
    "Lines",
    "Report",
    "Terms",
    "World",
    "Would",
    "against_record",
    "against_rules",
    "lead_of",
]
