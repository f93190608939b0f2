"""From what an arm was told and what it said to the numbers of its servos. NumPy and SciPy."""
