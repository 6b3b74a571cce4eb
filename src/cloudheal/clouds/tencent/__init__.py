"""Tencent Cloud: client, events, the verbs that playbooks use, and what sweeps look at."""
