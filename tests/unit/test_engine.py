"""Building a TensorRT engine, with a stand-in for ``trtexec``: the command, the stamp and every refusal."""

import hashlib
import json
import resource
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

np = pytest.importorskip("numpy")

from made_up import contract_of, image, vector  # noqa: E402

from alice.deploy import engine, policy  # noqa: E402
from alice.deploy.policy import EnginePolicy, PolicyError  # noqa: E402

CONTRACT = contract_of(vector("x", "ball_pos"))
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


TOOLS = {
    "a folder": (lambda path: path.mkdir(), "is a folder; give --trtexec the program in it"),
    "a text that may not be run": (lambda path: path.write_text("hello"), "is no program or may not be run"),
    "no program": (lambda path: (path.write_bytes(b"\x7fNOPE"), path.chmod(0o755)), "cannot be run: Exec format error"),
    "a missing library": (
        lambda path: _script(
            path, "echo 'trtexec: error while loading shared libraries: libnvinfer.so.10' >&2; exit 127"
        ),
        r"does not run: it left with 127; its last line: trtexec: error while loading shared libraries: libnvinfer",
    ),
    "not UTF-8": (lambda path: _script(path, r"printf 'caf\351\n'; exit 1"), "does not run: it left with 1"),
    "silent": (lambda path: _script(path, "exit 0"), r"does not tell its version \(no reason given\)"),
}


def _script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("name", TOOLS)
def test_what_is_no_trtexec_is_told_in_one_line(name, tmp_path):
    make, expected = TOOLS[name]
    make(tmp_path / "tool")
    with pytest.raises(PolicyError, match=expected) as caught:
        engine.find_tool(str(tmp_path / "tool"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("echo 'building'; kill -9 $$", "it was killed by SIGKILL, often for want of memory; its last line: building"),
        ("echo 'building'; exit 137", "it was killed by SIGKILL, often for want of memory; its last line: building"),
        ("echo 'Out of memory' >&2; exit 3", "it left with 3; its last line: Out of memory"),
        ("echo '[E] first'; echo '&&&& FAILED'; exit 1", r"it left with 1; its last line: \[E\] first"),
        ('for word in "$@"; do case "$word" in --save*) : >"${word#*=}" ;; esac; done', "trtexec built no engine"),
    ],
)
def test_a_build_that_ends_early_tells_its_own_last_line(body, expected, trtexec, onnx, tmp_path):
    tool = engine.find_tool(trtexec(body='case "$*" in *--onnx*) ' + body + " ;; esac"))
    with pytest.raises(PolicyError, match=expected):
        engine.build(tool, onnx, tmp_path, False, CONTRACT.to_json())
    assert not list(tmp_path.glob("*.engine*")) and not list(tmp_path.glob(".*"))


def test_an_engine_that_is_not_approved_leaves_what_was_there(trtexec, onnx, tmp_path):
    tool, seen = engine.find_tool(trtexec()), []

    def refuse(built: Path) -> None:
        seen.append((built.read_text(), json.loads(built.with_name(f"{built.name}.json").read_text())["tensorrt"]))
        raise PolicyError("differs")

    for old in (None, "of yesterday"):
        if old:
            (tmp_path / "T.engine").write_text(old)
        with pytest.raises(PolicyError, match="differs"):
            engine.build(tool, onnx, tmp_path, False, CONTRACT.to_json(), refuse)
        assert [file.read_text() for file in tmp_path.glob("*.engine*")] == ([old] if old else [])
    assert seen == [("plan\n", "10.3.0")] * 2 and not list(tmp_path.glob(".*"))


def test_a_stamp_that_cannot_be_written_leaves_nothing(trtexec, onnx, tmp_path):
    tool = engine.find_tool(trtexec())
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))  # as on a disk that is full: the stamp is longer
    try:
        with pytest.raises(PolicyError, match=r"T\.engine cannot be written to .*: File too large"):
            engine.build(tool, onnx, tmp_path, False, CONTRACT.to_json())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(tmp_path.glob("*.engine*")) and not list(tmp_path.glob(".*"))


##
# Comparing
##


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_difference_that_is_no_number_is_not_lost(bad):
    def sound(inputs):
        return np.zeros((1, 6), np.float32)

    calls = []

    def broken(inputs):
        calls.append(1)
        return sound(inputs) + (np.float32(bad) if len(calls) == 7 else 0.0)

    sound.contract = CONTRACT
    assert not engine.largest_difference(sound, broken) <= 1e9
    assert not engine.largest_difference(sound, lambda inputs: np.full((1, 6), np.nan)) <= 1e9


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
        self.places, self.cuda, self.is_broken = {}, cuda, False

    def set_tensor_address(self, name, address):
        self.places[name] = address
        return name in ("x", "image", "actions")

    def execute_async_v3(self, stream):
        if self.is_broken:
            return False
        kinds = {"image": np.uint8}
        inputs = {name: place for name, place in self.places.items() if name != "actions"}
        numbers = [self.cuda.memory[place].view(kinds.get(name, np.float32)) for name, place in inputs.items()]
        self.cuda.memory[self.places["actions"]].view(np.float32)[:] = sum(float(values.sum()) for values in numbers)
        return True


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
    module.plan = plan
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
    inputs = (vector("x", "ball_pos"), image(4, 2, 1))
    contract = contract_of(*inputs).to_json()
    loaded = policy.load(engine.build(engine.find_tool(trtexec()), onnx, tmp_path, False, contract))
    picture = np.full((1, 3, 2, 4), 200, np.uint8)
    found = loaded({"x": np.array([[0.25, 0.0, 0.0]], np.float32), "image": picture})
    np.testing.assert_allclose(found, np.full((1, 6), 24 * 200 + 0.25))
    assert engine.largest_difference(loaded, loaded) == 0.0


def test_an_engine_that_does_not_run_gives_no_action(built, tensorrt):
    loaded = policy.load(built)
    inputs = {"x": np.array([[0.1, 0.2, 0.3]], np.float32)}
    loaded(inputs)
    loaded._context.is_broken = True
    with pytest.raises(PolicyError, match=r"T\.engine gave no action: TensorRT did not run; keep the last targets"):
        loaded(inputs)


def test_an_engine_that_cannot_be_made_ready_is_refused(built, tensorrt):
    tensorrt.plan.create_execution_context = lambda: None
    with pytest.raises(PolicyError, match=r"cannot make ready to run T\.engine: the memory of the GPU may be full"):
        EnginePolicy(built)


def test_an_engine_without_a_tensor_of_its_contract_is_refused(trtexec, onnx, tmp_path, tensorrt):
    contract = contract_of(vector("y", "ball_pos")).to_json()
    built = engine.build(engine.find_tool(trtexec()), onnx, tmp_path, False, contract)
    with pytest.raises(PolicyError, match="has no tensor 'y', its contract has"):
        EnginePolicy(built)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"x": np.zeros((2, 3), np.float32)}, r"x has the shape \(2, 3\); give one row"),
        ({"z": np.zeros((1, 3), np.float32)}, r"takes \['x'\], was given \['z'\]"),
        ({}, r"takes \['x'\], was given \[\]"),
    ],
)
def test_an_engine_takes_what_its_contract_says(inputs, expected, built, tensorrt):
    with pytest.raises(PolicyError, match=expected):
        policy.load(built)(inputs)


@pytest.mark.parametrize("stamp", ["[]", "{}", "5", '{"engine_sha256": 1}', "{"])
def test_a_stamp_that_is_none_is_refused(stamp, built, tensorrt):
    built.with_name("T.engine.json").write_text(stamp)
    with pytest.raises(PolicyError, match="its stamp cannot be read"):
        EnginePolicy(built)


def test_a_tensorrt_that_lacks_a_library_is_told(built, monkeypatch, tmp_path):
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(PolicyError, match=r"tensorrt cannot be loaded \(libnvinfer.so.10: .*use the .onnx file"):
        EnginePolicy(built)


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
    stamp.write_text(stamp.read_text().replace('"control_rate_hz": 20', '"control_rate_hz": 40'))
    with pytest.raises(PolicyError, match="control_rate_hz: the policy has 40"):
        EnginePolicy(built)


def test_without_tensorrt_or_cuda_the_onnx_file_is_the_remedy(built, monkeypatch, tensorrt):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(PolicyError, match=r"no module tensorrt; use the .onnx file"):
        EnginePolicy(built)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(PolicyError, match=r"'T.pt' must end in .onnx or .engine"):
        policy.load(tmp_path / "T.pt")
