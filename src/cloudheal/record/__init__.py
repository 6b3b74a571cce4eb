"""The fifth stage and the memory of the other four: tables, transactions, ledger, read models.

Every other stage is handed what it needs from here by the pipeline; nothing here decides or calls a cloud.
"""
