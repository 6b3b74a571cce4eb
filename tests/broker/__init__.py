"""A Kafka broker for the tests: one node that speaks the real protocol over TCP and keeps its topics in memory."""
