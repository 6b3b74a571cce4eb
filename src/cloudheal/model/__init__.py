"""The records that travel from stage to stage: frozen, typed, without behaviour beyond reading themselves.

A change is a new record and a ledger entry. Dictionaries exist only at the wire. Every word here is used with the same
meaning in code, tables, command line and documentation (the glossary page holds them in both languages).
"""
