"""A whole worker process that evacuates spot servers, for the crash tests.

Usage: spot_worker.py DATABASE_URL SIMULATOR_URL. It runs until it is killed.
"""

from __future__ import annotations

import os
import sys

from cloudheal.app import App
from cloudheal.record.promotions import promote
from cloudheal.settings.schema import Settings
from tests.flow.test_spot import QUEUE, REPLACE

#: Interruptions come in both queues.
URGENT = "urgent"
RULE = {
    "name": "leave-before-release",
    "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
    "resources": {"all": True},
    "playbook": "spot_evacuate",
    "with": {**REPLACE, "drain": "1s"},
    "mode": "auto",
}


def main(database: str, simulator: str) -> None:
    """Be a worker."""
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] = "testid"
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = "testsecret"
    account = {
        "name": "prod",
        "cloud": "alibaba",
        "id": "1000000000000001",
        "regions": ["cn-hangzhou"],
        "endpoint": simulator,
        "queue": {"endpoint": simulator, "name": QUEUE, "urgent": URGENT, "wait_seconds": 1},
    }
    document = {
        "accounts": [account],
        "database": database,
        "rules": [RULE],
        "lease_seconds": 1,
        "settle_seconds": 0.5,
    }
    with App(Settings.model_validate(document)).running() as app:
        with app.database.transaction() as connection:
            promote(connection, app.settings.rules, "test", app.clock.now())
        print("ready", flush=True)
        app.consume(app.settings.accounts[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
