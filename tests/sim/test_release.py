"""A release: one seed in checkpoint, export and record, a line for its audit, files that can be renewed."""

import json
import shutil

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from alice.assets import POLICIES_DIR  # noqa: E402
from alice.contract import METADATA_KEY  # noqa: E402
from alice.deploy.policy import OnnxPolicy  # noqa: E402
from alice.evaluation.audit import openings  # noqa: E402
from alice.export import (  # noqa: E402
    recordings,
    release,
)
from alice.runs import provenance, seeds  # noqa: E402

TASK = "Alice-Ball-Transfer"
FLAGS = ("--task", TASK, "--device", "cpu")


@pytest.fixture
def other(tmp_path, monkeypatch):
    """Let another network stand for the released one, in a clean checkout with an empty page: none is opened here."""
    folder = tmp_path / "policies"
    folder.mkdir()
    content = torch.load(POLICIES_DIR / f"{TASK}.pt", weights_only=True)
    content["actor_state_dict"]["mlp.0.bias"] += 1e-6
    torch.save(content, folder / f"{TASK}.pt")
    for suffix in (".json", ".npz", ".onnx"):
        shutil.copyfile(POLICIES_DIR / f"{TASK}{suffix}", folder / f"{TASK}{suffix}")
    for module in (release, recordings):
        monkeypatch.setattr(module, "POLICIES_DIR", folder)
    page = tmp_path / "releases.md"
    page.write_text("| Date | Policy | Seed | Command | Commit | Figure |\n|---|---|---|---|---|---|\n")
    monkeypatch.setattr(openings, "PAGE", page)
    monkeypatch.setattr(provenance, "changes", lambda root: [])
    return folder, str(seeds.of_release(content["actor_state_dict"]))


def test_record_and_export_are_renewed_and_the_export_is_audited_on_its_own_seed(other, door, tmp_path):
    folder, seed = other
    weights = folder / f"{TASK}.pt"
    renew = ("release_policy", "--task", TASK, "--checkpoint", weights, "--refresh")
    code, out, err = door(*renew)
    assert code == 0, err
    assert out.split() == [f"{TASK}.json", f"{TASK}.onnx"]
    assert json.loads((folder / f"{TASK}.json").read_text())["release_seed"] == seed
    assert OnnxPolicy(folder / f"{TASK}.onnx").contract.release_seed == seed

    figures = tmp_path / "a.json"
    audit = ("--checkpoint", folder / f"{TASK}.onnx", "--seed", "release", "--episodes", 16, "--json", figures)
    code, out, err = door("evaluate", *FLAGS, *audit)
    assert code == 0, err
    assert "(the release seed of this policy)" in out
    content = json.loads(figures.read_text())
    assert (str(content["seed"]), content["seed_kind"], content["dirty"]) == (seed, "release", False)
    lines = openings.PAGE.read_text().splitlines()
    assert len(lines) == 3 and seed in lines[2] and "carried success" in lines[2] and "begun" not in lines[2]

    code, _out, err = door(*renew, "--audit", figures)  # of the export, not of the checkpoint
    assert code == 2 and "is the audit of" in err


def test_a_release_seed_wants_a_clean_work_tree_and_one_policy(other, door, monkeypatch):
    monkeypatch.setattr(provenance, "changes", lambda root: ["alice/x.py"])
    code, _out, err = door("evaluate", *FLAGS, "--checkpoint", other[0] / f"{TASK}.pt", "--seed", "release")
    assert code == 2 and "clean work tree" in err and "alice/x.py" in err
    shutil.copyfile(other[0] / f"{TASK}.pt", other[0] / "model_1.pt")
    code, _out, err = door("evaluate", *FLAGS, "--checkpoints", other[0], "--seed", "release")
    assert code == 2 and "seed of one policy" in err
    monkeypatch.setattr(provenance, "changes", lambda root: [])
    code, _out, err = door("evaluate", *FLAGS, "--checkpoint", POLICIES_DIR / f"{TASK}.onnx", "--seed", "x")
    assert code == 2 and "not a whole number" in err
    old = other[0] / "old.onnx"
    model = onnx.load(POLICIES_DIR / f"{TASK}.onnx")
    (entry,) = (item for item in model.metadata_props if item.key == METADATA_KEY)
    entry.value = json.dumps({**json.loads(entry.value), "release_seed": None})
    onnx.save(model, old)
    code, _out, err = door("evaluate", *FLAGS, "--checkpoint", old, "--seed", "release")
    assert code == 2 and "without its release seed" in err and "export it again" in err
