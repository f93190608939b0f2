"""Scripted behaviours, and the audits of physics and rewards that stand on them."""
