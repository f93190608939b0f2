"""Many trainings, and what came of them."""
