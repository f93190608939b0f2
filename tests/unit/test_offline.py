"""Packing and joining, with a tiny environment that looks like an installed one; nothing of PyTorch is needed."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alice.cli.usage import UsageError
from alice.offline import needed, pack

ROOT = Path(__file__).resolve().parents[2]
SIZE = 20_000
"""Largest part [bytes]."""


def install(site: Path, name: str, version: str, files: dict[str, bytes], record: bool = True) -> None:
    """Put a package into a folder as an installer would."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file, content in files.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_bytes(content)
    if record:
        listed = [*files, f"{info.name}/METADATA", f"{info.name}/RECORD", "../../bin/command"]
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in listed))


@pytest.fixture
def environment(tmp_path, monkeypatch) -> Path:
    """Return a site-packages folder with two packages, which is the one that is looked into first."""
    site = tmp_path / "site-packages"
    noise = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(2000))
    install(site, "tiny_physics", "1.2", {"tiny_physics/__init__.py": b"STEP = 0.5\n", "tiny_physics/lib.so": noise})
    install(site, "tiny_learning", "3", {"tiny_learning.py": b"import tiny_physics\n", "__pycache__/a.pyc": b"x"})
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.fixture
def checkout(tmp_path) -> Path:
    """Return what looks like a checkout."""
    root = tmp_path / "checkout"
    for folder in pack.PROJECT:
        (root / folder).mkdir(parents=True)
        (root / folder / "__init__.py").write_text(f"NAME = {folder!r}\n")
    for name in ("pyproject.toml", "extension.toml", "LICENSE"):
        (root / name).write_text(name)
    (root / "scripts" / "door.py").write_text(
        "import alice.tasks, tiny_learning, sys\n"
        "print(alice.tasks.NAME, tiny_learning.tiny_physics.STEP, *sys.argv[1:])\n"
    )
    return root


@pytest.fixture
def packed(environment, checkout, tmp_path) -> Path:
    """Return a folder with parts."""
    found = [pack.package(name) for name in ("tiny-physics", "tiny_learning")]
    pack.write(tmp_path / "packed", found, ["numpy", "no-such-package"], SIZE, checkout)
    return tmp_path / "packed"


def join(folder: Path, *words) -> subprocess.CompletedProcess:
    """Join with a Python that has nothing but its standard library."""
    line = [sys.executable, "-I", "-S", folder / "join.py", *words]
    return subprocess.run(line, capture_output=True, text=True, cwd=folder.parent, timeout=60)


def test_parts_are_no_larger_than_asked_and_hashed(packed):
    parts = sorted(packed.glob("part.*"))
    assert len(parts) > 2 and all(part.stat().st_size == SIZE for part in parts[:-1])
    assert 0 < parts[-1].stat().st_size <= SIZE
    sums = dict(reversed(line.split()) for line in (packed / "SHA256SUMS").read_text().splitlines())
    assert sums == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (*parts, packed / "packed.json")
    }
    if shutil.which("sha256sum"):
        assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=packed).returncode == 0


def test_what_is_joined_runs_on_a_python_of_another_place(packed, tmp_path):
    moved = shutil.move(packed, tmp_path / "other machine")
    done = join(Path(moved), "site")
    assert done.returncode == 0, done.stderr
    assert "has no no_such_package, which is not among the parts" in done.stdout
    site = tmp_path / "site"
    line = [site / "isaaclab.sh", "-p", site / "scripts" / "door.py", "a word"]
    ran = subprocess.run(
        line, capture_output=True, text=True, cwd="/", env={"PATH": "/bin:/usr/bin", "PYTHON": sys.executable}
    )
    assert ran.stdout == "tasks 0.5 a word\n", ran.stderr
    assert not list(site.rglob("*.pyc")) or (site / "__pycache__").exists()
    assert (site / "alice" / "tasks" / "__init__.py").is_file() and not (site / "tasks").exists()
    assert not list(tmp_path.glob("*.unfinished"))


def test_the_same_content_gives_the_same_parts(packed, checkout, tmp_path):
    found = [pack.package(name) for name in ("tiny-physics", "tiny_learning")]
    pack.write(tmp_path / "again", found, ["numpy", "no-such-package"], SIZE, checkout)
    assert (tmp_path / "again" / "SHA256SUMS").read_text() == (packed / "SHA256SUMS").read_text()


def test_an_earlier_packing_is_taken_away(packed, checkout):
    (packed / "part.099").write_text("of an earlier time")
    pack.write(packed, [], [], SIZE * 100, checkout)
    assert [path.name for path in packed.glob("part.*")] == ["part.000"]


@pytest.mark.parametrize("what", ["missing", "cut", "changed"])
def test_a_part_that_did_not_arrive_whole_is_named_and_nothing_is_left(what, packed, tmp_path):
    part = packed / "part.001"
    if what == "missing":
        part.unlink()
    else:
        part.write_bytes(part.read_bytes()[:-1] if what == "cut" else b"x" + part.read_bytes()[1:])
    done = join(packed, "site")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("join.py: error: part.001 is ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("python", "3.7", "packed for Python 3.7 on"),
        ("machine", "Plan9 mips", "on Plan9 mips, this is"),
        ("bytes", 10**18, "needs"),
    ],
)
def test_another_machine_is_refused_before_anything_is_unpacked(key, value, expected, packed, tmp_path):
    about = packed / "packed.json"
    before = hashlib.sha256(about.read_bytes()).hexdigest()
    about.write_text(json.dumps({**json.loads(about.read_text()), key: value}))
    sums = (packed / "SHA256SUMS").read_text().replace(before, hashlib.sha256(about.read_bytes()).hexdigest())
    (packed / "SHA256SUMS").write_text(sums)
    done = join(packed, "site")
    assert done.returncode == 2 and expected in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "site").exists()


def test_a_folder_that_is_there_is_left_alone(packed, tmp_path):
    (tmp_path / "site").mkdir()
    done = join(packed, "site")
    assert done.returncode == 2 and "is there already" in done.stderr
    assert list((tmp_path / "site").iterdir()) == []


def test_what_the_other_machine_has_is_not_carried(tmp_path):
    carried, expected = pack.names_to_carry(None)
    assert {"torch", "numpy"} <= set(expected) and {"isaaclab", "warp-lang"} <= set(carried)
    (tmp_path / "freeze.txt").write_text(
        "# there\nnumpy==2.1\ntorch @ file:///wheels/torch.whl\nSciPy==1.0\nother==1\n-e .\n"
    )
    carried, expected = pack.names_to_carry(tmp_path / "freeze.txt")
    assert expected == ["numpy", "scipy", "torch"] and "torchvision" in carried
    assert {*carried, *expected} == needed.NEEDED


def test_what_cannot_be_packed_is_told(environment):
    with pytest.raises(UsageError, match="nowhere_to_be_found is not installed"):
        pack.package("nowhere_to_be_found")
    install(environment, "by_hand", "1", {"by_hand.py": b""}, record=False)
    with pytest.raises(UsageError, match="without a list of its files"):
        pack.package("by_hand")
    with pytest.raises(UsageError, match="pack from a checkout"):
        pack.project(environment)


def test_everything_that_is_needed_is_installed_here():
    pytest.importorskip("isaaclab")
    carried, _ = pack.names_to_carry(None)
    assert all(pack.package(name).files for name in carried)


def test_this_checkout_is_packed_as_a_wheel_lays_it_out():
    names = pack.project(ROOT)
    assert {"alice/tasks/__init__.py", "alice/assets/policies/Alice-Ball-Transfer.pt", "scripts/train.py"} <= set(names)
    assert not any("__pycache__" in name for name in names)
