"""Task registrations: importing this package makes the ``Alice-…`` ids known to Gymnasium.

Isaac Lab loads it through the entry point group ``isaaclab.tasks`` before any simulator starts.
"""

if not __name__.startswith("alice."):
    raise ImportError(f"import alice.tasks, not {__name__!r}: the bare name would register every task twice")

from alice import compat

compat.install()

from . import ball_transfer  # noqa: E402
