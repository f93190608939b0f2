"""Looks at a machine and at the logs of a training, and says what is wrong."""
