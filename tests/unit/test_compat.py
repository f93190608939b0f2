"""The work-arounds load nothing before it is needed, and act on what a stranger's machine has."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")
REGISTER = "import alice.tasks, sys; "


def _python(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of loaded libraries")
def test_registering_the_tasks_loads_no_library_of_a_simulator():
    """Isaac Lab imports the tasks of every project that is installed, for every task of every project."""
    libraries = _python(REGISTER + "print(open('/proc/self/maps').read())")
    found = {line.split()[-1] for line in libraries.splitlines() if ".so" in line}
    heavy = ("ovphysx", "ovstage", "omni", "carb", "/warp/", "/pxr/", "/torch/", "usd")
    assert [name for name in sorted(found) if any(word in name for word in heavy)] == []


def test_registering_the_tasks_imports_no_simulator():
    modules = _python(REGISTER + "print(*sys.modules)").split()
    assert not {"torch", "warp", "isaaclab", "ovphysx", "pxr", "rsl_rl"} & set(modules)


def test_registering_the_tasks_leaves_word_with_modules_that_exist():
    """A release that renames one of them would leave a work-around without effect and without a word."""
    program = REGISTER + (
        "from alice.system import after_import;"
        "print(*[name for f in sys.meta_path if isinstance(f, after_import._Watcher) for name in f.actions])"
    )
    names = _python(program).split()
    assert len(names) >= 4
    for name in names:
        top, *inner = name.split(".")
        [folder] = importlib.util.find_spec(top).submodule_search_locations  # without importing what lies in it
        path = Path(folder, *inner)
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), name


def test_a_user_id_without_a_name_can_be_asked_for():
    """As in a container that was started with --user 12345; PyTorch's compiler names its cache after the user."""
    program = "import pwd; pwd.getpwuid = lambda uid: {}[uid]; import alice.tasks, getpass; print(getpass.getuser())"
    names = dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), "")
    assert _python(program, **names).strip() == f"uid{os.getuid()}"


def test_without_the_program_git_what_rsl_rl_imports_of_it_can_be_imported(tmp_path):
    assert "fine" in _python(REGISTER + "import git; print('fine')", PATH=str(tmp_path))


@pytest.fixture
def store(tmp_path):
    """Return a function that stores the state of a work tree as RSL-RL does at the start of a training."""
    git_command = shutil.which("git")
    if git_command is None:
        pytest.skip("needs git")
    from rsl_rl.utils import logger

    from alice import compat

    compat.let_code_state_be_stored(logger)
    tree, log = tmp_path / "tree", tmp_path / "log"
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    (tree / "sub").mkdir(parents=True)
    log.mkdir()
    (tree / "sub" / "file.txt").write_text("one\n")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "x")):
        subprocess.run([git_command, "-C", str(tree), *words], check=True)

    def run() -> Path:
        keeper = logger.Logger.__new__(logger.Logger)
        keeper.log_dir, keeper.disable_logs, keeper.git_status_repos = str(log), False, [str(tree / "sub" / "file.txt")]
        keeper._store_code_state()
        return log / "git" / "tree.diff"

    run.tree = tree
    return run


def test_a_difference_of_any_bytes_is_stored_as_it_is(store):
    (store.tree / "sub" / "file.txt").write_bytes(b"gr\xfc\xdfe\n")  # Latin-1
    assert b"+gr\xfc\xdfe" in store().read_bytes()


def test_a_failing_git_does_not_end_a_training(store, caplog):
    (store.tree / "sub" / "file.txt").write_text("two\n")
    (store.tree / ".gitattributes").write_text("*.txt diff=odd\n")
    subprocess.run(["git", "-C", str(store.tree), "config", "diff.odd.textconv", "false"], check=True)
    store()
    assert "the state of the code is not stored" in caplog.text
    assert "\n" not in caplog.records[0].getMessage()
