"""From the words of a command line to checked values, and back to what a user reads."""
