"""The system inside a server, whichever cloud the server is in: processes, files, a shell and its programs.

Nothing here knows a cloud's words. A cloud keeps the servers (`machine.Machine`) and brings commands in; here is what
the commands meet, how they run on the virtual clock, and what chaos does inside.
"""
