"""CloudMonitor, version 2019-01-01: event rules and the event bus, metrics, groups, contacts, stored tasks.

Two halves share one state and one list of actions: events (what happened, and where word of it goes) and metrics with
everything around them. `actions/` registers the handlers, `model/` holds the state and knows no wire.
"""
