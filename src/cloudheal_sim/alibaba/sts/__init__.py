"""Security Token Service, version 2015-04-01: who am I, and temporary keys for a role."""
