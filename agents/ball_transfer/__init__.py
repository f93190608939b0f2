"""RSL-RL configurations of the ball transfer."""
