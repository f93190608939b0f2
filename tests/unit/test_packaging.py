"""What an installation contains, that the version has one source, and what must not lie in the repository."""

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"alice": "alice", "tasks": "alice/tasks", "agents": "alice/agents", "assets": "alice/assets"}
MANIFEST_VERSION = re.search(r'version\s*=\s*"(.+?)"', (ROOT / "extension.toml").read_text(encoding="utf-8"))[1]
MAX_BYTES = 2_000_000


def _repository_files() -> list[Path]:
    """Return every file that is or would be committed, relative to the repository."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no git checkout or no git: which files belong to the repository is unknown")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in output.split("\0") if name and (path := ROOT / name).is_file()]


def _is_text(path: Path) -> bool:
    return b"\0" not in path.read_bytes()[:8192]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the build reads, because setuptools writes next to its sources."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "extension.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path) -> zipfile.ZipFile:
    """The wheel that pip would build, made without network: the build runs in this Python and fetches nothing."""
    build = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return zipfile.ZipFile(next((source / "dist").glob("*.whl")))


def _metadata(wheel: zipfile.ZipFile, name: str) -> str:
    return wheel.read(next(entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}"))).decode()


def test_wheel_holds_every_module_of_the_mapped_folders(wheel: zipfile.ZipFile):
    inside = set(wheel.namelist())
    for folder, package in FOLDERS.items():
        modules = [path for path in (ROOT / folder).rglob("*.py*") if path.suffix in (".py", ".pyi")]
        missing = {f"{package}/{path.relative_to(ROOT / folder).as_posix()}" for path in modules} - inside
        assert not missing, f"not in the wheel (is an __init__.py missing next to them?): {sorted(missing)}"


def test_wheel_holds_the_data_files_of_assets(wheel: zipfile.ZipFile):
    kinds = (".usda", ".pt", ".json", ".md", ".npz", ".onnx")
    entries = (path for folder in ("data", "policies") for path in (ROOT / "assets" / folder).rglob("*"))
    files = [path for path in entries if path.is_file()]
    left_out = [str(path.relative_to(ROOT)) for path in files if path.suffix not in kinds]
    assert not left_out, f"setup.py's package_data does not carry {left_out}: add their kind there and here"
    missing = {f"alice/assets/{path.relative_to(ROOT / 'assets').as_posix()}" for path in files} - set(wheel.namelist())
    assert not missing, f"not in the wheel: {sorted(missing)}"


def test_wheel_holds_nothing_but_alice(wheel: zipfile.ZipFile):
    tops = {entry.split("/")[0] for entry in wheel.namelist()}
    assert tops == {"alice", f"alice-{MANIFEST_VERSION}.dist-info"}


def test_wheel_announces_the_tasks_to_isaac_lab(wheel: zipfile.ZipFile):
    entry_points = configparser.ConfigParser()
    entry_points.read_string(_metadata(wheel, "entry_points.txt"))
    assert dict(entry_points["isaaclab.tasks"]) == {"alice": "alice.tasks"}


def test_base_install_is_numpy_only(wheel: zipfile.ZipFile):
    requirements = re.findall(r"^Requires-Dist: (.+)$", _metadata(wheel, "METADATA"), re.MULTILINE)
    assert [requirement for requirement in requirements if "extra ==" not in requirement] == ["numpy"]


def test_robot_side_extra_has_no_training_packages(wheel: zipfile.ZipFile):
    deploy = re.findall(r"^Requires-Dist: ([\w.-]+).*extra == .deploy.$", _metadata(wheel, "METADATA"), re.MULTILINE)
    assert "onnxruntime" in deploy
    assert not {"torch", "torchvision", "isaaclab", "rsl-rl-lib"} & set(deploy)


def test_no_extra_promises_an_isaac_sim_that_cannot_be_resolved(wheel: zipfile.ZipFile):
    assert "isaacsim" not in _metadata(wheel, "METADATA").split("\n\n")[0]


def test_the_command_for_isaac_sim_settles_what_isaac_lab_and_isaac_sim_do_not_agree_on():
    try:
        wanted = [line.replace(" ", "") for line in metadata.requires("isaaclab")]
    except metadata.PackageNotFoundError:
        pytest.skip("needs the metadata of Isaac Lab")
    lines = (ROOT / "docs" / "isaacsim-overrides.txt").read_text(encoding="utf-8").splitlines()
    overrides = {re.split(r"[<>=!]", line)[0]: line for line in lines if line and not line.startswith("#")}
    assert overrides["urllib3"] in wanted, "Isaac Lab is the side that wins"
    assert overrides.keys() == {"urllib3", "opencv-python-headless-noffmpeg"}
    page = (ROOT / "docs" / "isaacsim.md").read_text(encoding="utf-8")
    (command,) = (line for line in page.splitlines() if line.startswith("    uv pip install"))
    assert "--override docs/isaacsim-overrides.txt" in command and "https://pypi.nvidia.com" in command
    assert f'"isaaclab[isaacsim]=={metadata.version("isaaclab")}"' in command
    assert any(line.startswith("isaacsim[all,extscache]==6.2.0.0") for line in wanted), "the versions of the page"


def test_the_command_for_lerobot_settles_what_isaac_lab_and_lerobot_do_not_agree_on():
    try:
        (wanted,) = (line for line in metadata.requires("ovphysx") if line.startswith("packaging"))
    except metadata.PackageNotFoundError:
        pytest.skip("needs the metadata of ovphysx")
    lines = (ROOT / "docs" / "lerobot-overrides.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["packaging>=24.2,<26"]
    assert "<24" in wanted, "the override can go"
    page = (ROOT / "docs" / "lerobot.md").read_text(encoding="utf-8")
    command, *_ = (line for line in page.splitlines() if line.startswith("    uv pip install"))
    assert "--override docs/lerobot-overrides.txt" in command
    assert '"lerobot[dataset,feetech,training]==0.6.1"' in command
    # What makes the override sound: of packaging, ovphysx imports the part that has not changed.
    (package,) = {file.locate().parent for file in metadata.files("ovphysx") if str(file) == "ovphysx/__init__.py"}
    imports = re.compile(r"^\s*(?:from|import) (packaging\S*)", re.MULTILINE)
    found = [name for file in package.rglob("*.py") for name in imports.findall(file.read_text(encoding="utf-8"))]
    assert set(found) == {"packaging.version"}


def test_version_in_the_wheel_is_that_of_the_manifest(wheel: zipfile.ZipFile):
    assert f"\nVersion: {MANIFEST_VERSION}\n" in _metadata(wheel, "METADATA")


def test_version_is_written_nowhere_else():
    pattern = re.compile(rf"(?<![\d.]){re.escape(MANIFEST_VERSION)}(?![\d.])")
    for name in ("setup.py", "pyproject.toml", "alice/__init__.py"):
        assert not pattern.search((ROOT / name).read_text(encoding="utf-8")), f"{name} repeats the version"


def _version_seen_by(folder: Path) -> str:
    """Return ``alice.__version__`` as a Python sees it that has only ``folder`` on its path."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r}); import alice; print(alice.__version__)"
    done = subprocess.run([sys.executable, "-IS", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_checkout_that_is_not_installed_knows_its_version(source: Path):
    assert _version_seen_by(source) == MANIFEST_VERSION


def test_installed_package_knows_its_version(wheel: zipfile.ZipFile, tmp_path: Path):
    wheel.extractall(tmp_path)
    assert _version_seen_by(tmp_path) == MANIFEST_VERSION


def test_importing_alice_loads_nothing_heavy(source: Path):
    program = f"import sys; sys.path.insert(0, {str(source)!r}); import alice; print(*sorted(sys.modules))"
    modules = subprocess.check_output([sys.executable, "-I", "-c", program], text=True).split()
    heavy = {"torch", "numpy", "isaaclab", "gymnasium", "warp", "omni", "pxr"}
    assert not heavy & set(modules)


def test_no_module_name_contains_lab():
    """Isaac Sim's Kit throws modules whose dotted name contains "lab" out of memory while it starts."""
    paths = [path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert [str(path) for path in paths if "lab" in str(path)] == []


def test_no_file_is_larger_than_two_megabytes():
    large = {str(path.relative_to(ROOT)): path.stat().st_size for path in _repository_files()}
    assert {name: size for name, size in large.items() if size > MAX_BYTES} == {}


def test_a_checkout_on_windows_keeps_the_line_ends_and_every_byte_of_what_is_no_text():
    """Bash takes a carriage return for a part of the word before it."""
    files = [path.relative_to(ROOT).as_posix() for path in _repository_files()]
    command = ["git", "check-attr", "-z", "text", "eol", "--", *files]
    fields = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    said = {(path, name): value for path, name, value in zip(fields[::3], fields[1::3], fields[2::3], strict=False)}
    for name in files:
        content = (ROOT / name).read_bytes()
        if not _is_text(ROOT / name) or b"\r\n" in content:
            assert said[name, "text"] == "unset", f".gitattributes lets git change line ends in {name}"
        else:
            assert said[name, "eol"] == "lf", f".gitattributes gives {name} line ends of Windows there"


def _machine_paths(text: str) -> list[str]:
    """Return the lines of a text that name somebody's home folder or the folder of this checkout."""
    homes = r"(?<![\w.}])/(?:root|(?:home|Users)/[a-z]\w*)/"
    here = [re.escape(f"{path}/") for path in (ROOT, Path.home()) if path != Path("/")]
    return [line.strip()[:120] for line in text.splitlines() if re.search("|".join([homes, *here]), line)]


def test_no_file_contains_a_path_of_the_machine_it_was_written_on():
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in filter(_is_text, _repository_files())}
    assert {str(path.relative_to(ROOT)): hits for path, text in texts.items() if (hits := _machine_paths(text))} == {}


@pytest.mark.parametrize("path", [f"/home{'/ann'}/x.pt", f"in '/Users{'/ann'}/x'", f"{ROOT}/a", f"{Path.home()}/x"])
def test_a_machine_path_is_detected(path: str):
    assert _machine_paths(f"first line\n{path}\n") == [path]
