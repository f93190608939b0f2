"""Counts episodes: what a policy does, with intervals, probes and sweeps."""
