"""Interactive shells: what a terminal shows, which lines are entered, and who may let them go."""
