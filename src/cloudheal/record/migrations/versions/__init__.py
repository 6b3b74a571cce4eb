"""One module per revision; each names the one that it follows."""
