"""What a target's schema says, as a frozen value."""
