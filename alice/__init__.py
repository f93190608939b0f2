"""Alice: a hobby robot arm picks up a ball and puts it in a dish.

This package holds the code that runs. Three top-level folders of the repository are mapped into it: ``alice.tasks``
and ``alice.agents`` declare what is learned and how, ``alice.assets`` holds the robot and the objects.

Importing ``alice`` loads nothing heavy, so that the robot side works without PyTorch and Isaac Lab.
"""

import re
from importlib import metadata
from pathlib import Path


def _read_version() -> str:
    """Return the version, from the checkout this file lies in, else from the installed package's metadata.

    The checkout comes first because the metadata of an editable install is as old as the installation.
    """
    manifest = Path(__file__).resolve().parents[1] / "extension.toml"
    if manifest.is_file():
        found = re.search(r'^version = "([^"]+)"', manifest.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    return metadata.version("alice")


__version__ = _read_version()
