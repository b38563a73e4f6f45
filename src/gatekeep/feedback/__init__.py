"""The feedback loop: from decisions to suggestions, and back to check. Functions over evidence."""
