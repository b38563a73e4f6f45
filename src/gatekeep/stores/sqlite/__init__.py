"""The embedded store: page-encrypted SQLite."""
