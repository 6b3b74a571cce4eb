"""Alibaba Cloud: its messages, its calls, its sources. Everything vendor-specific of this cloud is in this folder."""
