"""A whole worker process for the crash tests: queue in, healed servers out.

Usage: app_worker.py DATABASE_URL SIMULATOR_URL. It runs until it is killed.
"""

from __future__ import annotations

import os
import sys

from cloudheal.app import App
from cloudheal.record.promotions import promote
from cloudheal.settings.schema import Settings
from tests.flow.test_restart import QUEUE, RULE


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
        "queue": {"endpoint": simulator, "name": QUEUE, "wait_seconds": 1},
    }
    limits = {"at_once": 100, "share": 1.0, "storm_members": 1000, "storm_share": 1.0, "per_hour": 1000}
    document = {
        "accounts": [account],
        "database": database,
        "rules": [{**RULE, "limits": limits}],
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
