"""The page at `/`: what a person sees of a running simulator, live, in Chinese or English.

It only reads. What changes something goes through the control API, from the browser. Read models (`views/`) ask the
services for one page at a time; nothing here walks the whole world for a poll.
"""
