"""An event goes in, a healed server and a complete record come out."""
