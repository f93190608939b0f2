"""Provenance: a figure can be traced to a commit and a command, and says nothing about where files lie."""

import json
import os
import shutil
import subprocess

import pytest

from alice import __version__
from alice.runs import provenance


def _repository(folder):
    if shutil.which("git") is None:
        pytest.skip("needs git")
    for words in (
        ("init", "-q"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"),
    ):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    return subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_checkout_has_a_commit_and_knows_when_it_is_dirty(tmp_path):
    commit = _repository(tmp_path)
    assert provenance.git_state(tmp_path) == (commit, False)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "releases.md").touch()  # an audit writes there, and no figure depends on it
    assert provenance.git_state(tmp_path) == (commit, False)
    (tmp_path / "new.py").touch()
    assert provenance.git_state(tmp_path) == (commit, True)
    assert provenance.changes(tmp_path) == ["new.py"]


def test_outside_of_a_checkout_there_is_no_commit(tmp_path):
    assert provenance.git_state(tmp_path / "nowhere") == (None, None)


def test_a_package_installed_inside_another_repository_does_not_take_its_commit(tmp_path):
    _repository(tmp_path)
    inner = tmp_path / "site-packages"
    inner.mkdir()
    assert provenance.git_state(inner) == (None, None)


def test_names_of_any_bytes_are_no_error(tmp_path):
    commit = _repository(tmp_path)
    subprocess.run(["git", "-C", str(tmp_path), "config", "core.quotePath", "false"], check=True)
    with open(os.fsencode(tmp_path) + b"/gr\xfc\xdfe", "w"):
        pass
    assert provenance.git_state(tmp_path) == (commit, True)


def test_variables_of_another_work_tree_do_not_answer(tmp_path, monkeypatch):
    """As git sets them for its hooks."""
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
    commit = _repository(tmp_path / "mine")
    _repository(tmp_path / "other")
    (tmp_path / "other" / "new").touch()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    assert provenance.git_state(tmp_path / "mine") == (commit, False)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_checkout_of_somebody_else_has_a_commit(tmp_path):
    """As one that is mounted into a container."""
    commit = _repository(tmp_path)
    for path in (tmp_path, tmp_path / ".git"):
        os.chown(path, 12345, 12345)
    assert provenance.git_state(tmp_path) == (commit, False)


def test_no_git_command_is_no_error(tmp_path, monkeypatch):
    _repository(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_state(tmp_path) == (None, None)


def test_the_command_has_no_machine_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = provenance.ROOT / "scripts" / "evaluate.py"
    inside = tmp_path / "run" / "model_3.pt"
    words = ["--checkpoint", str(inside), "--json=/elsewhere/a.json", "env.sim.dt=0.01", "physics=ovphysx"]
    assert provenance.command_line([str(script), *words]) == (
        "scripts/evaluate.py --checkpoint run/model_3.pt --json=a.json env.sim.dt=0.01 physics=ovphysx"
    )
    assert provenance.command_line(["/usr/bin/thing", "x"]) == "thing x"


def test_collect_is_complete_and_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/thing", "--seed", "3"])
    found = provenance.collect(seed=3)
    assert found["version"] == __version__ and found["seed"] == 3 and found["command"] == "thing --seed 3"
    assert found["hardware"]["cores"] >= 1 and found["hardware"]["gpu"] is None
    assert {"python", "torch", "isaaclab", "rsl-rl-lib"} <= set(found["versions"])
    provenance.write_json(tmp_path / "a.json", found)
    assert json.loads((tmp_path / "a.json").read_text()) == found
    assert str(tmp_path) not in (tmp_path / "a.json").read_text()


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("no-such-package",))
    assert provenance.versions()["no-such-package"] is None


def test_sha256_of_a_known_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert provenance.sha256(tmp_path / "abc") == expected


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "a.json"
    provenance.write_json(target, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        provenance.write_json(target, {"a": float("nan")})
    assert json.loads(target.read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
