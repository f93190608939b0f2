"""From a checked command line to a finished run folder, and back into one."""
