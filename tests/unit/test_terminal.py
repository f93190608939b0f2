"""What a user sees while a simulator runs, and where the rest goes."""

import ast
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

pytest.importorskip("tqdm")

import alice
from alice.cli import terminal
from alice.cli.usage import UsageError


def _python(program: str, folder: Path) -> subprocess.CompletedProcess:
    """Run a program in a Python of its own whose temporary files go to a folder."""
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "HOME": str(folder)}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


NOISE = """
import ctypes, logging, os, subprocess, sys
from alice.cli import terminal

def noise():
    ctypes.CDLL(None).printf(b"noise: C, buffered\\n")
    os.write(1, b"noise: descriptor 1\\n")
    os.write(2, b"noise: descriptor 2\\n")
    print("noise: print")
    logging.warning("noise: logging")
    subprocess.run(["echo", "noise: child"])
    if (child := os.fork()) == 0:
        os.write(1, b"noise: fork\\n")
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_only_our_own_lines_reach_the_user_and_the_file_goes(tmp_path):
    body = """
with terminal.quiet() as path:
    terminal.note("working")
    noise()
    terminal.say("a result")
    print(path.read_text().count("noise"), file=terminal._user[1])
print("after"); logging.warning("after too")
"""
    done = _python(NOISE + body, tmp_path)
    assert (done.returncode, done.stdout) == (0, "a result\nafter\n"), done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "alice: working" and int(lines[1]) >= 6 and lines[2:] == ["WARNING:root:after too"]
    assert list(tmp_path.iterdir()) == []


def test_an_error_names_the_file_and_the_file_holds_all_of_it(tmp_path):
    done = _python(NOISE + "with terminal.quiet():\n    noise()\n    raise RuntimeError('broken')\n", tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines()[-2] == "RuntimeError: broken"
    (log,) = tmp_path.iterdir()
    assert done.stderr.splitlines()[-1] == f"What the simulator wrote before: {log}"
    kinds = set(re.findall("noise: (.+)", log.read_text()))
    assert kinds == {"C, buffered", "descriptor 1", "descriptor 2", "print", "logging", "child", "fork"}


def test_a_crash_of_native_code_leaves_the_file_with_the_stack(tmp_path):
    program = "with terminal.quiet() as path:\n    terminal.note(path)\n    noise()\n    ctypes.string_at(0)\n"
    done = _python(NOISE + program, tmp_path)
    assert done.returncode < 0
    (log,) = tmp_path.iterdir()
    assert done.stderr == f"alice: {log}\n"
    text = log.read_text()
    assert "noise: print" in text and "Segmentation fault" in text and 'File "<string>", line' in text


@pytest.mark.parametrize("ending", ["raise UsageError('a mistake')", "raise KeyboardInterrupt", "raise SystemExit(3)"])
def test_a_mistake_or_an_interrupt_leaves_no_file(ending, tmp_path):
    program = f"from alice.cli.usage import UsageError\nwith terminal.quiet():\n    noise()\n    {ending}\n"
    done = _python(NOISE + program, tmp_path)
    assert done.returncode != 0 and "noise" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("why", ["verbose", "no room"])
def test_all_is_let_through_where_it_must_be(why, tmp_path):
    first = "terminal.set_verbose(True)" if why == "verbose" else "import tempfile; tempfile.tempdir = '/nowhere'"
    done = _python(f"{NOISE}\n{first}\nwith terminal.quiet() as path:\n    noise(); assert path is None\n", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("noise: ") >= 7


def test_a_closed_stream_is_no_reason_to_fail(tmp_path):
    program = "import os; os.close(2); from alice.cli import terminal\nwith terminal.quiet(): terminal.say('a result')"
    done = _python(program, tmp_path)
    assert (done.returncode, done.stdout) == (0, "a result\n")


def test_a_stream_that_somebody_replaced_is_still_the_users(capsys):
    with terminal.quiet():
        print("noise")
        terminal.say("a result")
        terminal.note("working")
    print("after")
    assert tuple(capsys.readouterr()) == ("a result\nafter\n", "alice: working\n")


def test_descriptors_that_are_captured_are_put_back(capfd):
    with terminal.quiet(), terminal.quiet() as inner:
        assert inner is None
        print("noise")
        terminal.say("a result")
    with pytest.raises(UsageError), terminal.quiet():
        raise UsageError("a mistake")
    print("after")
    assert tuple(capfd.readouterr()) == ("a result\nafter\n", "")


def test_the_clock_of_a_long_wait_runs_on_a_terminal_and_leaves_nothing(tmp_path):
    program = (
        "import time; from alice.cli import terminal\nwith terminal.doing('waiting'): time.sleep(2.3)\nprint('done')"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    seen = _on_a_terminal([sys.executable, str(script)])
    clocks = re.findall(r"alice: waiting … (\d\d:\d\d)", seen)
    assert clocks[0] == "00:00" and "00:02" in clocks
    assert seen.split("\r")[-1].strip() == "done" or seen.rstrip().endswith("done")


def test_the_clock_writes_nothing_to_a_file(capfd):
    with terminal.doing("waiting"):
        pass
    assert tuple(capfd.readouterr()) == ("", "")


def _on_a_terminal(command: list[str]) -> str:
    """Run a command on a pseudo-terminal and return what it wrote there."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 100))
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower) as child:
        os.close(follower)
        seen = b""
        try:
            while chunk := os.read(leader, 65536):
                seen += chunk
        except OSError:  # the last one has closed it
            pass
        assert child.wait() == 0, seen
    os.close(leader)
    return seen.decode()


def test_what_runs_while_the_simulator_is_open_does_not_print():
    """A ``print`` there would end up in the file with the simulator's noise."""
    folder = Path(alice.__file__).parent / "evaluation"
    # These two print what they found when the simulator is closed.
    sources = [path for path in folder.rglob("*.py") if path.name not in ("evaluate.py", "through_wire.py")]
    assert len(sources) > 20
    calls = {
        path.name: [node.lineno for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if _is_print(node)]
        for path in sources
    }
    assert {name: lines for name, lines in calls.items() if lines} == {}


def _is_print(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
