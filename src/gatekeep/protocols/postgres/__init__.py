"""The PostgreSQL wire protocol, sans-IO."""
