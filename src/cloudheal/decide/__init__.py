"""The second stage: match rules, ask the guards, and say why.

Everything here reads records and our own tables only; nothing here calls a cloud.
"""
