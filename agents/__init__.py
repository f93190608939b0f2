"""RSL-RL configurations."""

if not __name__.startswith("alice."):
    raise ImportError(f"import alice.agents, not {__name__!r}: the bare name would load this folder twice")
