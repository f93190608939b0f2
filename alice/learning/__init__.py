"""What RSL-RL loads by string: symmetry."""
