"""What MNS remembers: accounts with queues and topics, and the rules of a message's life. No wire here."""
