"""Networks that RSL-RL loads by string."""
