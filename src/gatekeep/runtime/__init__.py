"""What every asynchronous room needs: owned tasks, the clock, off-loading of pure work."""
