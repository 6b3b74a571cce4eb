"""ActionTrail, version 2020-07-06: who did what to servers, told some time after it was done (UNVERIFIED)."""
