"""Access logs into metrics: definitions, counting, windows. Mathematics only: files and tables are others' business."""
