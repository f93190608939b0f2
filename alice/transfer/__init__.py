"""The job itself: what is handled, what success means, how far a transfer is. No manager terms."""
