"""Manager terms of the ball transfer: actions, observations, rewards, terminations, events and commands."""
