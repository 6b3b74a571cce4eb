"""Elastic Compute Service, version 2014-05-26: instances, disks, snapshots, events, maintenance, Cloud Assistant."""
