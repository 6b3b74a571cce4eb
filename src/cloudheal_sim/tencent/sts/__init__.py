"""Security Token Service, version 2018-08-13: who am I, and temporary keys for a role."""
