"""What every simulated service shares: time, chance, faults, journal, wire records.

Nothing here knows a vendor. A service is built on these parts and is handed all of them; none of them is global.
"""
