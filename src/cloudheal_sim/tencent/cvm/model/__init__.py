"""What CVM keeps: instances, their states over time, repair tasks, who can be reached."""
