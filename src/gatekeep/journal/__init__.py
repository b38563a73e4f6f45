"""The log of events: sealed, hashed, signed, verifiable."""
