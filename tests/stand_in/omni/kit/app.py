"""Stands in for Kit's interface to the application that runs."""

from types import SimpleNamespace

import isaacsim

_MANAGER = SimpleNamespace(subscribe_to_extension_enable=lambda function, ext_name, hook_name: None)


def get_app():
    """Return the application, None before its start."""
    return isaacsim.SimulationApp.running and SimpleNamespace(get_extension_manager=lambda: _MANAGER)
