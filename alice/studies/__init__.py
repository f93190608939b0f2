"""Variants times seeds: what a choice of the design is worth."""
