"""Crash tests run on the same databases as the contract tests."""

from tests.contract.conftest import database_url, postgres_url

__all__ = ["database_url", "postgres_url"]
