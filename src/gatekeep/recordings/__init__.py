"""What sessions showed: recorded as events, joined live, replayed and exported."""
