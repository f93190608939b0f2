"""Building a TensorRT engine, with a stand-in for ``trtexec``: the command, the stamp and every refusal."""

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

np = pytest.importorskip("numpy")

from alice.contract import TERMS, Contract, ImageInput, VectorInput  # noqa: E402
from alice.deploy import engine, policy  # noqa: E402
from alice.deploy.policy import EnginePolicy, PolicyError  # noqa: E402

CONTRACT = Contract("T", "1", None, "ab", (VectorInput("x", (TERMS["ball_pos"],)),))
BUILDS = 'for word in "$@"; do case "$word" in --saveEngine=*) echo plan >"${word#*=}" ;; esac; done'


@pytest.fixture
def trtexec(tmp_path):
    """Return a maker of stand-ins that print a banner and do what a shell script says."""

    def make(banner: str = "v100300", body: str = BUILDS) -> str:
        path = tmp_path / "bin" / "trtexec"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "&&&& RUNNING TensorRT.trtexec [TensorRT {banner}] # $0 $@"\n{body}\n')
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def onnx(tmp_path) -> Path:
    path = tmp_path / "T.onnx"
    path.write_bytes(b"network")
    return path


@pytest.mark.parametrize(
    ("banner", "expected"),
    [("v100300", (10, 3, 0)), ("v101602", (10, 16, 2)), ("v110400", (11, 4, 0)), ("v8602", (8, 6, 2))],
)
def test_versions(banner, expected, trtexec):
    assert engine.find_tool(trtexec(banner)).version == expected


def test_a_tool_without_a_version_is_refused(trtexec):
    with pytest.raises(PolicyError, match="does not tell its version"):
        engine.find_tool(trtexec("unknown"))


def test_a_missing_tool_is_told_with_the_remedies(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(engine, "PLACES", ())
    with pytest.raises(PolicyError, match=r"no trtexec on PATH.*--trtexec PATH.*--dry_run"):
        engine.find_tool()
    with pytest.raises(PolicyError, match="no trtexec at '/nowhere/trtexec'"):
        engine.find_tool("/nowhere/trtexec")


def test_the_command():
    words = engine.command(engine.Tool("trtexec", (10, 3, 0)), Path("p.onnx"), Path("p.engine"), fp16=True)
    assert words == ["trtexec", "--onnx=p.onnx", "--saveEngine=p.engine", "--skipInference", "--fp16"]


@pytest.mark.parametrize(
    ("version", "fp16", "expected"),
    [((8, 6, 2), False, "TensorRT 8.6.2 is older than 10.0"), ((11, 4, 0), True, "11.4.0 has no --fp16 any more")],
)
def test_a_tensorrt_that_does_not_fit_is_refused(version, fp16, expected):
    with pytest.raises(PolicyError, match=expected):
        engine.command(engine.Tool("trtexec", version), Path("p.onnx"), Path("p.engine"), fp16)
    assert engine.command(engine.Tool("trtexec", (11, 4, 0)), Path("p.onnx"), Path("p.engine"), fp16=False)


def test_engine_and_stamp_land_together(trtexec, onnx, tmp_path):
    built = engine.build(engine.find_tool(trtexec()), onnx, tmp_path, False, CONTRACT.to_json())
    assert built.read_text() == "plan\n"
    stamp = json.loads((tmp_path / "T.engine.json").read_text())
    assert stamp["tensorrt"] == "10.3.0"
    assert stamp["engine_sha256"] == hashlib.sha256(b"plan\n").hexdigest()
    assert stamp["onnx_sha256"] == hashlib.sha256(b"network").hexdigest()
    assert stamp["contract"]["task"] == "T"
    assert str(tmp_path) not in json.dumps(stamp), "no path of this machine"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("body", ["echo '[E] no kernel for Elu'; exit 1", "echo '[E] no kernel for Elu'"])
def test_a_build_that_fails_leaves_nothing(body, trtexec, onnx, tmp_path):
    tool = engine.find_tool(trtexec(body='case "$*" in *--onnx*) ' + body + ";; esac"))
    with pytest.raises(PolicyError, match="no kernel for Elu"):
        engine.build(tool, onnx, tmp_path, False, CONTRACT.to_json())
    assert not list(tmp_path.glob("*.engine*")) and not list(tmp_path.glob(".*"))


##
# Loading
##


class FakeCuda:
    """Device memory that is a dictionary of bytes."""

    def __init__(self):
        self.memory = {}

    def allocate(self, size: int) -> int:
        self.memory[len(self.memory) + 1] = np.zeros(size, np.uint8)
        return len(self.memory)

    def to_device(self, address, values):
        self.memory[address][:] = values.ravel().view(np.uint8)

    def to_host(self, values, address):
        values.ravel().view(np.uint8)[:] = self.memory[address]


class FakeContext:
    """An engine whose actions are the sum of its inputs."""

    def __init__(self, cuda):
        self.places, self.cuda = {}, cuda

    def set_tensor_address(self, name, address):
        self.places[name] = address

    def execute_async_v3(self, stream):
        kinds = {"image": np.uint8}
        inputs = {name: place for name, place in self.places.items() if name != "actions"}
        numbers = [self.cuda.memory[place].view(kinds.get(name, np.float32)) for name, place in inputs.items()]
        self.cuda.memory[self.places["actions"]].view(np.float32)[:] = sum(float(values.sum()) for values in numbers)


@pytest.fixture
def tensorrt(monkeypatch):
    """Put a stand-in for the module ``tensorrt`` and for CUDA in place and return the module."""
    cuda = FakeCuda()
    plan = SimpleNamespace(create_execution_context=lambda: FakeContext(cuda))
    runtime = SimpleNamespace(deserialize_cuda_engine=lambda data: plan if data == b"plan\n" else None)
    logger = type("Logger", (), {"WARNING": 1, "__init__": lambda self, level: None})
    module = SimpleNamespace(__version__="10.3.0.26", Logger=logger, Runtime=lambda log: runtime)
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    monkeypatch.setattr(policy, "Cuda", lambda: cuda)
    return module


@pytest.fixture
def built(trtexec, onnx, tmp_path) -> Path:
    return engine.build(engine.find_tool(trtexec()), onnx, tmp_path, False, CONTRACT.to_json())


def test_an_engine_acts(built, tensorrt):
    loaded = policy.load(built)
    inputs = {"x": np.array([[0.1, 0.2, 0.3]], np.float32)}
    np.testing.assert_allclose(loaded(inputs), np.full((1, 6), 0.6), rtol=1e-6)
    assert engine.largest_difference(loaded, loaded) == 0.0
    assert engine.largest_difference(loaded, lambda row: loaded(row) + 0.25) == pytest.approx(0.25, abs=1e-6)


def test_an_engine_takes_pictures_as_they_are(trtexec, onnx, tmp_path, tensorrt):
    inputs = (VectorInput("x", (TERMS["ball_pos"],)), ImageInput("image", 4, 2, 1))
    contract = Contract("T", "1", None, "ab", inputs).to_json()
    loaded = policy.load(engine.build(engine.find_tool(trtexec()), onnx, tmp_path, False, contract))
    picture = np.full((1, 3, 2, 4), 200, np.uint8)
    found = loaded({"x": np.array([[0.25, 0.0, 0.0]], np.float32), "image": picture})
    np.testing.assert_allclose(found, np.full((1, 6), 24 * 200 + 0.25))
    assert engine.largest_difference(loaded, loaded) == 0.0


def test_an_engine_of_another_tensorrt_is_refused(built, tensorrt):
    tensorrt.__version__ = "10.16.2"
    with pytest.raises(PolicyError, match=r"built with TensorRT 10.3.0, this is 10.16.2; build it again"):
        EnginePolicy(built)


def test_a_changed_engine_is_refused(built, tensorrt):
    built.write_text("other")
    with pytest.raises(PolicyError, match=r"is not the engine of T\.engine\.json"):
        EnginePolicy(built)


def test_an_engine_without_stamp_is_refused(built, tensorrt):
    built.with_name("T.engine.json").unlink()
    with pytest.raises(PolicyError, match="its stamp cannot be read"):
        EnginePolicy(built)


def test_an_engine_for_another_arm_is_refused(built, tensorrt):
    stamp = built.with_name("T.engine.json")
    stamp.write_text(stamp.read_text().replace('"control_rate_hz": 20', '"control_rate_hz": 25'))
    with pytest.raises(PolicyError, match="control_rate_hz: the policy has 25"):
        EnginePolicy(built)


def test_without_tensorrt_or_cuda_the_onnx_file_is_the_remedy(built, monkeypatch, tensorrt):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(PolicyError, match=r"no module tensorrt; use the .onnx file"):
        EnginePolicy(built)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(PolicyError, match=r"'T.pt' must end in .onnx or .engine"):
        policy.load(tmp_path / "T.pt")
