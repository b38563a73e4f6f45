"""The demonstration: an embedded target with seeded data, the gateway in front, and a guided tour."""
