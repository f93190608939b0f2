"""Task registrations: importing this package makes the ``Alice-…`` ids known to Gymnasium.

Isaac Lab loads it through the entry point group ``isaaclab.tasks`` before any simulator starts.
"""

if not __name__.startswith("alice."):
    raise ImportError(f"import alice.tasks, not {__name__!r}: the bare name would register every task twice")

from alice.compat import (
    allow_pinned_arrays_without_cuda,
    let_ovphysx_run_whole_control_steps,
    let_ovphysx_service_threads_sleep,
    match_ovphysx_threads_to_cores,
    silence_deprecations_of_warp,
)

silence_deprecations_of_warp()
allow_pinned_arrays_without_cuda()
let_ovphysx_run_whole_control_steps()
match_ovphysx_threads_to_cores()
let_ovphysx_service_threads_sleep()

from . import ball_transfer  # noqa: E402
