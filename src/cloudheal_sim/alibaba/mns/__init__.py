"""Message Service (MNS, Simple Message Queue), HTTP API version 2015-06-06: queues, topics, subscriptions.

Wire in (`authentication`, `requests`, `documents`), `model/`, wire out (`replies`, `notification`), `errors`,
`actions/`; `service` joins them. Sources: aliyun.md 4, and the vendor's own clients and samples in six languages.
"""
