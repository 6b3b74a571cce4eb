"""Where log series go besides our own store, one file each: the wire format of one receiver, and nothing of when."""
