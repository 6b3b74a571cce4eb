"""Listeners after the vendor's sample, kept as they were: only the import and the last lines are new."""

import json
from pathlib import Path
from typing import Any

from cloudheal.extend import BasicListener, EventDocument, Listeners

#: What was heard, a line each; the sample kept it in a database or in a log.
NOTES = Path("heard.jsonl")


class StateChangeListener(BasicListener):
    """Keeps every state that a server enters."""

    def process(self, event: EventDocument) -> None:
        """Take one event, in the form in which CloudMonitor sends it."""
        content = event["content"]
        keep({"server": content["resourceId"], "state": content["state"], "region": event["regionId"]})


class PreemptibleListener(BasicListener):
    """Keeps which spot servers are about to be taken back."""

    def process(self, event: EventDocument) -> None:
        """Take one event; its content has other names than that of a state change."""
        content = event["content"]
        if content["action"] == "delete":
            keep({"server": content["instanceId"], "leaves": event["eventTime"]})


def keep(line: dict[str, Any]) -> None:
    """Add a line."""
    with NOTES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


consumer = Listeners()
consumer.regist_listener(StateChangeListener())
consumer.regist_listener(PreemptibleListener(), "Instance:PreemptibleInstanceInterruption")
