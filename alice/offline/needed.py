"""Which packages a training, an audit, a film and an export import; a test lets them run and looks.

Isaac Lab asks for twice as many, of which these doors never import one: Open3D, Pinocchio, Dash, Transformers.
"""

from __future__ import annotations

PYTORCH = """
cuda-bindings cuda-pathfinder cuda-toolkit filelock fsspec jinja2 markupsafe mpmath networkx numpy pillow setuptools
sympy torch torchvision triton typing-extensions
"""
SIMULATION = """
isaaclab ovphysx ovstage usd-exchange omniverseclient warp-lang newton newton-usd-schemas mujoco mujoco-warp gymnasium
farama-notifications hydra-core omegaconf antlr4-python3-runtime prettytable wcwidth botocore jmespath lazy-loader cmeel
imageio imageio-ffmpeg absl-py etils packaging pyyaml requests scipy tqdm psutil rich attrs charset-normalizer
"""
LEARNING = """
rsl-rl-lib tensordict pyvers cloudpickle gitpython gitdb smmap tensorboard tensorboard-data-server grpcio markdown
werkzeug protobuf onnx onnx-ir onnxscript ml-dtypes onnxruntime flatbuffers
"""
FIGURES = "matplotlib contourpy cycler fonttools kiwisolver pyparsing python-dateutil six"
TESTS = "pytest iniconfig pluggy pygments"

WITH_PYTORCH = frozenset(PYTORCH.split())
"""What a machine with PyTorch and torchvision has."""
NEEDED = WITH_PYTORCH.union(SIMULATION.split(), LEARNING.split(), FIGURES.split(), TESTS.split())
"""What the doors import, the tests too."""
CUDA_BUILDS = frozenset({"cuda-bindings", "cuda-pathfinder", "cuda-toolkit", "triton"})
"""What a PyTorch for the CPU does without."""
IMPORTED_AS = {"pillow": "PIL"}
"""Names to import of packages that are called otherwise."""
