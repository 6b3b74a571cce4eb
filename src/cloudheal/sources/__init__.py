"""Vendor-neutral sources of events, one file each."""
