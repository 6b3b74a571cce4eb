"""What the benchmark programs share: one way to time, one way to print, one simulator, one worker."""
