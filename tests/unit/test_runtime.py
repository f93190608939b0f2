"""An onnxruntime that is missing, too old, broken or built for another NumPy; files and folders that cannot be used.

Each ends in one line with the right remedy, through the API and through the doors.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numpy")

from alice.deploy import runtime
from alice.deploy.policy import OnnxPolicy
from alice.deploy.runtime import PolicyError

ROOT = Path(__file__).resolve().parents[2]
ONNX = ROOT / "assets" / "policies" / "Alice-Ball-Transfer.onnx"

RUNTIMES = {
    "missing a part": (
        "import onnxruntime_parts",
        r"onnxruntime lacks the module onnxruntime_parts; pip install '\.\[deploy\]'",
    ),
    "another NumPy": (
        "raise ImportError('numpy.core.multiarray failed to import')",
        r"onnxruntime was built for another NumPy than \d+\.\d+\.\d+; install a newer onnxruntime, or pip install",
    ),
    "another NumPy that it only complains of": (
        "import sys; print('A module that was compiled using NumPy 1.x cannot be run in', file=sys.stderr)\n"
        "__version__ = '1.16.3'\nclass SessionOptions: pass\nclass InferenceSession: pass",
        r"onnxruntime was built for another NumPy",
    ),
    "a broken library": (
        "raise ImportError('libonnxruntime.so: cannot open shared object file')",
        r"onnxruntime cannot be loaded \(libonnxruntime\.so: cannot open shared object file\); pip install",
    ),
    "something else of that name": ("", r"onnxruntime cannot be loaded \(it has no InferenceSession\)"),
    "too old for the file": (
        "__version__ = '1.16.3'\nclass SessionOptions: pass\n"
        "def InferenceSession(*words):\n"
        "    raise RuntimeError('[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Failed to load model with error: '\n"
        "        '/onnxruntime_src/core/graph/model.cc:149 ' + 'x' * 300 +\n"
        "        ' Unsupported model IR version: 10, max supported IR version: 9')",
        r"onnxruntime 1\.16\.3 is too old for Alice-Ball-Transfer\.onnx \(Unsupported model IR version: 10, max"
        r" supported IR version: 9\); install 1\.18 or later",
    ),
}


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Return a function that puts a stand-in for onnxruntime before the real one and returns its folder."""

    def make(source: str) -> Path:
        folder = tmp_path / "path"
        folder.mkdir()
        (folder / "onnxruntime.py").write_text(source)
        monkeypatch.syspath_prepend(folder)
        for name in [name for name in sys.modules if name.split(".")[0] == "onnxruntime"]:
            monkeypatch.delitem(sys.modules, name)
        return folder

    yield make
    sys.modules.pop("onnxruntime", None)


@pytest.mark.parametrize("name", RUNTIMES)
def test_an_onnxruntime_that_cannot_be_used_is_told_with_its_remedy(name, stand_in, capfd):
    source, expected = RUNTIMES[name]
    stand_in(source)
    with pytest.raises(PolicyError, match=expected) as caught:
        OnnxPolicy(ONNX)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", ""), "the page that NumPy prints is held back"


def test_a_missing_onnxruntime_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PolicyError, match=r"no module onnxruntime; pip install '\.\[deploy\]'"):
        runtime.onnxruntime()


def test_a_damaged_file_is_not_called_a_matter_of_the_version(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "half.onnx").write_bytes(ONNX.read_bytes()[:1000])
    with pytest.raises(PolicyError, match=r"half\.onnx is damaged or no ONNX file .*; export it again"):
        OnnxPolicy(tmp_path / "half.onnx")
    with pytest.raises(PolicyError, match=r"is a folder; give the \.onnx file in it"):
        OnnxPolicy(tmp_path)


def test_inputs_that_the_network_does_not_take_are_one_line():
    pytest.importorskip("onnxruntime")
    import numpy as np

    policy = OnnxPolicy(ONNX)
    with pytest.raises(PolicyError, match=r"Alice-Ball-Transfer\.onnx gave no action: ") as caught:
        policy({"policy": np.zeros((1, 3), np.float32), "command_state": np.zeros((1, 13), np.float32)})
    assert "\n" not in str(caught.value)


##
# Doors
##

UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""What takes from root the right to read and write everything."""


def door(name: str, *words: object, prefix: tuple = (), path: Path | None = None) -> tuple[int, str, str]:
    """Run a door of the robot's side and return exit code, standard output and error."""
    environment = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    command = [*prefix, sys.executable, ROOT / "scripts" / name, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout, done.stderr


def is_one_line(done: tuple[int, str, str], expected: str) -> bool:
    code, out, err = done
    return code == 2 and not out and err.startswith("alice: error: ") and err.count("\n") == 1 and expected in err


@pytest.mark.parametrize("words", [("benchmark_policy.py", "--policy"), ("build_engine.py", "--onnx")])
def test_the_doors_tell_an_old_runtime_in_one_line(words, stand_in):
    name, flag = words
    path = stand_in(RUNTIMES["too old for the file"][0])
    assert is_one_line(door(name, flag, ONNX, path=path), "is too old for Alice-Ball-Transfer.onnx")


def test_an_export_asks_for_the_runtime_first(stand_in, tmp_path):
    path = stand_in(RUNTIMES["another NumPy"][0])
    words = ("--task", "Alice-Ball-Transfer", "--checkpoint", "released", "--output", tmp_path / "new")
    assert is_one_line(door("export_onnx.py", *words, path=path), "onnxruntime was built for another NumPy")
    assert not (tmp_path / "new").exists()


@pytest.fixture
def unprivileged() -> list[str]:
    """Return what a command must begin with to be stopped by permissions."""
    if UNPRIVILEGED and subprocess.run([*UNPRIVILEGED, "true"], capture_output=True).returncode:
        pytest.skip("root cannot give up its rights here: setpriv is missing or refused")
    return UNPRIVILEGED


def test_what_may_not_be_read_or_written_is_one_line(unprivileged, tmp_path):
    pytest.importorskip("onnxruntime")
    secret, shut = tmp_path / "secret.onnx", tmp_path / "shut"
    secret.write_bytes(ONNX.read_bytes())
    secret.chmod(0)
    shut.mkdir(mode=0o555)
    run = {"prefix": tuple(unprivileged)}
    told = "secret.onnx' cannot be read (Permission denied)"
    assert is_one_line(door("benchmark_policy.py", "--policy", secret, **run), told)
    assert is_one_line(door("build_engine.py", "--onnx", secret, **run), told)
    done = door("build_engine.py", "--onnx", ONNX, "--output", shut, "--dry_run", **run)
    assert is_one_line(done, "cannot be written: the folder")
    for folder in (shut, shut / "new"):
        done = door("export_onnx.py", "--checkpoint", "released", "--output", folder, **run)
        assert is_one_line(done, "cannot be written: the folder")
    assert not list(shut.iterdir())


@pytest.mark.parametrize("what", ["a folder", "empty", "a text"])
def test_policies_that_are_none_are_one_line(what, tmp_path):
    pytest.importorskip("onnxruntime")
    policy = tmp_path / "p.onnx"
    {"a folder": policy.mkdir, "empty": policy.touch, "a text": lambda: policy.write_text("hello")}[what]()
    expected = {"a folder": "is a folder", "empty": "is empty"}.get(what, "is damaged or no ONNX file")
    assert is_one_line(door("benchmark_policy.py", "--policy", policy), expected)
    assert is_one_line(door("build_engine.py", "--onnx", policy, "--output", tmp_path), expected)
