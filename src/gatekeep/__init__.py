"""gatekeep: an access gateway. The root package imports nothing, so that no room can cycle through it."""
