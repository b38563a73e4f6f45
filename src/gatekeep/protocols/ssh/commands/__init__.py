"""Command lines: what they run, on what, and how surely that is known."""
