"""The process and the machine beneath it: devices, cores, ranks, Kit."""
