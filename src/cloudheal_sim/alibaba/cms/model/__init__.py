"""State of CloudMonitor, free of any wire form."""
