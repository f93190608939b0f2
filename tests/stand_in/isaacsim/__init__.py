"""Stands in for Isaac Sim 6.2.0.0 where Isaac Lab's own ``KitLauncher`` looks for it: on the path of a process.

What matters of the real one is its end: ``SimulationApp.close`` ends the process at once, with the exit code it is
given, and what was not flushed or not written yet is lost.
"""

import os
import sys


class SimulationApp:
    """The application: it notes its start and its end on standard error."""

    running = None

    def __init__(self, launch_config=None, experience=""):
        self.config = launch_config
        SimulationApp.running = self
        import omni.kit.app  # from here on, Isaac Lab sees a Kit that runs

        words = " ".join(sys.argv[1:])
        print(f"stand-in: started {os.path.basename(experience)} [{words}]", file=sys.__stderr__, flush=True)

    def update(self):
        """Let a frame pass."""

    def close(self, wait_for_replicator=True, skip_cleanup=False, exit_code=0):
        """End the process as Kit's fast shutdown does: no exit handlers, no flushing."""
        print(f"stand-in: closed with {exit_code}", file=sys.__stderr__, flush=True)
        os._exit(exit_code)
