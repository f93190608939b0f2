"""Files of an export: recorded inputs that prove something, and a network that is written whole or not at all."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")
onnx = pytest.importorskip("onnx")
np = pytest.importorskip("numpy")

from export_jobs import TASK  # noqa: E402
from made_up import contract_of, vector  # noqa: E402

from alice.arms import XARM1S  # noqa: E402
from alice.cli.usage import UsageError  # noqa: E402
from alice.contract import VectorInput, terms_of  # noqa: E402
from alice.export import actor, onnx_file, recordings  # noqa: E402

SMALL = contract_of(vector("x", "ball_pos"))
ROWS = {"x": np.ones((4, 3), np.float32), "actions": np.zeros((4, 6), np.float32)}


def test_a_recording_comes_back(tmp_path):
    recordings.save(ROWS, tmp_path / "r.npz", SMALL.inputs)
    found = recordings.load(tmp_path / "r.npz", SMALL)
    assert list(found) == ["x"] and (found["x"] == 1).all()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[60:120] = bytes(60)
    path.write_bytes(data)


def _array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def _text(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", "hello")


def _objects(path: Path) -> None:
    np.savez(path, x=np.array([{}], object))


DAMAGES = {
    "cut off": (_cut, "cannot be read"),
    "damaged": (_damage, "cannot be read"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "missing": (Path.unlink, "cannot be read .*No such file"),
    "one array": (_array, r"cannot be read \(one array \(\.npy\)\)"),
    "a text": (lambda path: path.write_text("hello"), "cannot be read"),
    "an archive of texts": (_text, r"are .*, the policy takes"),
    "objects": (_objects, "cannot be read .*allow_pickle"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_recording_that_is_none_is_one_line(name, tmp_path):
    path = tmp_path / "r.npz"
    recordings.save(ROWS, path, SMALL.inputs)
    damage, expected = DAMAGES[name]
    damage(path)
    with pytest.raises(UsageError, match=f"recorded inputs 'r.npz' {expected}") as caught:
        recordings.load(path, SMALL)
    assert "\n" not in str(caught.value) and "--record FILE.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "contract", "expected"),
    [
        ({"x": ROWS["x"][:0]}, SMALL, "have no rows"),
        ({}, SMALL, r"are \{\}, the policy takes"),
        ({"x": np.full((4, 3), np.nan, np.float32)}, SMALL, "x holds what is no number"),
        (
            {"x": ROWS["x"]},
            replace(SMALL, inputs=(VectorInput("x", (replace(terms_of(XARM1S)["ball_pos"], scale=2.0),)),)),
            "are of a policy with other terms, cuts, scales",
        ),
        (
            {"x": ROWS["x"]},
            replace(SMALL, inputs=(vector("x", "tool_pos"),)),
            "are of a policy with other terms, cuts, scales",
        ),
    ],
)
def test_a_recording_that_proves_nothing_is_refused(rows, contract, expected, tmp_path):
    recordings.save(rows, tmp_path / "r.npz", SMALL.inputs)
    with pytest.raises(UsageError, match=expected):
        recordings.load(tmp_path / "r.npz", contract)


##
# What is no number, and what cannot be written
##


@pytest.fixture
def small():
    """Return an actor of one layer, its contract and recorded inputs."""
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 6)

        def as_onnx(self, verbose):
            return self.layer

    inputs = {"x": np.ones((4, 3), np.float32)}
    return actor.Actor(Model(), SMALL.inputs).eval(), inputs


def test_an_actor_of_no_numbers_is_not_shipped(small, tmp_path):
    network, inputs = small
    network._network.weight.data[2, 1] = float("nan")
    with pytest.raises(onnx_file.ExportError, match="gives actions that are not finite on recorded inputs"):
        onnx_file.write(network, SMALL, tmp_path / "new", inputs)
    assert not list(tmp_path.iterdir()), "not even the folder"


def test_an_activation_that_is_no_number_is_not_in_the_range_of_half_precision(small, tmp_path):
    network, inputs = small
    done = onnx_file.write(network, SMALL, tmp_path, inputs)
    assert done.figures["fp16"]["in_range"]
    model = onnx.load(done.onnx)
    sound = onnx_file._run(model, inputs)
    broken = {"x": np.ones((4, 3), np.float32)}
    broken["x"][2, 0] = np.nan  # not in the last row, whose largest number is one
    figures = onnx_file.half_precision(model, broken, sound)
    assert not figures["in_range"] and not figures["max_error"] <= 1e9


def test_a_disk_that_is_full_leaves_nothing_behind(small, tmp_path):
    import resource

    network, inputs = small
    old = onnx_file.write(network, SMALL, tmp_path, inputs).onnx.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limit[1]))
    try:
        for folder in (tmp_path, tmp_path / "new"):
            with pytest.raises(onnx_file.ExportError, match=r"T\.onnx cannot be written to .*: File too large"):
                onnx_file.write(network, SMALL, folder, inputs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["T.contract.json", "T.onnx"]
    assert (tmp_path / "T.onnx").read_bytes() == old
    assert json.loads((tmp_path / "T.contract.json").read_text())["task"] == "T"


def test_weights_that_are_no_numbers_are_refused_wherever_they_are_loaded():
    import torch

    from alice.runs import checkpoints

    layer = torch.nn.Linear(3, 2)
    state = layer.state_dict() | {"bias": torch.tensor([0.0, float("nan")])}
    with pytest.raises(UsageError, match=r"model_7\.pt holds numbers that are not finite \(bias\)"):
        checkpoints.fill(layer, state, Path("model_7.pt"), TASK)
