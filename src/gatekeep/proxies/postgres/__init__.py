"""The Postgres door: listener, session, target."""
