"""No writer goes past :func:`alice.cli.files.writing`."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


WRITING_CALLS = {"write_text", "write_bytes", "savefig", "savez", "savez_compressed", "get_writer", "copyfile", "copy"}
WRITING_CALLS |= {"imwrite", "mimsave", "to_csv"}
NAMED_CALLS = {("torch", "save"), ("np", "save"), ("onnx", "save"), ("json", "dump"), ("yaml", "dump")}
NAMED_CALLS |= {("shutil", "move")}
EXCUSED = {
    "alice/cli/files.py": "is the mechanism",
    "alice/learning/runner.py": "checkpoints: written under a temporary name by a rule of their own",
    "alice/cli/terminal.py": "a log of what the simulator says, which grows as it comes",
    "alice/studies/trials.py:_call": "a log, which is appended to",
    "alice/deploy/engine.py:build": "engine and stamp, both under temporary names, with errors of its own",
    "alice/deploy/emulator/camera.py:write": "a picture 30 times a second, under a temporary name",
    "alice/offline/pack.py": "parts in a folder of their own: their sums come last, without them nothing can be joined",
    "alice/studies/gpu_proof.py:_ask": "a log of what a command says, which grows as it comes",
    "alice/export/onnx_file.py:write": "network and contract, both under temporary names, with errors of its own",
}
"""Writers that do not stand inside ``with files.writing(...)``, and why they need not."""


def _writes(call: ast.Call) -> bool:
    """Whether a call writes a file: by its name, or as ``open`` with a mode that writes."""
    if isinstance(call.func, ast.Attribute):
        owner = getattr(call.func.value, "id", "")
        if owner == "files" or (call.func.attr == "copy" and owner != "shutil"):
            return False
        if call.func.attr in ("savefig", "savez_compressed") and getattr(call.args[0], "id", "") == "buffer":
            return False
        if call.func.attr in WRITING_CALLS or (owner, call.func.attr) in NAMED_CALLS:
            return True
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    modes = [word.value for word in (*call.args, *(k.value for k in call.keywords)) if isinstance(word, ast.Constant)]
    return name == "open" and any(isinstance(m, str) and m[:1] in ("w", "a", "x") and len(m) < 4 for m in modes)


def _bare_writers(source: str) -> list[tuple[str, int]]:
    """Return function and line of every call that writes a file outside of ``with files.writing(...)``."""
    found = []

    def walk(node: ast.AST, function: str, is_safe: bool) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        if isinstance(node, ast.With):
            names = [ast.unparse(item.context_expr) for item in node.items]
            if any(name.startswith("files.writing(") for name in names):
                is_safe = True
        if isinstance(node, ast.Call) and _writes(node) and not is_safe:
            found.append((function, node.lineno))
        for child in ast.iter_child_nodes(node):
            walk(child, function, is_safe)

    walk(ast.parse(source), "", False)
    return found


def test_every_writer_writes_whole_files_or_none():
    bad, used = [], set()
    for folder in ("alice", "scripts", "tasks", "agents", "assets"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for function, line in _bare_writers(path.read_text(encoding="utf-8")):
                excuse = {name, f"{name}:{function}"} & EXCUSED.keys()
                used |= excuse
                bad += [] if excuse else [f"{name}:{line} in {function}"]
    assert not bad, "write inside `with files.writing(path) as fresh:`"
    assert used == set(EXCUSED), "an excuse that nobody needs"


@pytest.mark.parametrize(
    "line",
    [
        "path.write_text(text)",
        "path.open('w')",
        "open(path, mode='wb')",
        "np.savez_compressed(path, a=1)",
        "torch.save(content, path)",
        "figure.savefig(path)",
        "shutil.copyfile(a, b)",
    ],
)
def test_a_bare_writer_is_seen(line):
    assert _bare_writers(line) == [("", 1)]
    assert _bare_writers(f"with files.writing(path) as fresh:\n    {line}") == []


@pytest.mark.parametrize("line", ["path.open('rb')", "open(path)", "copy.copy(a)", "figure.savefig(buffer)"])
def test_a_reader_is_no_writer(line):
    assert _bare_writers(line) == []
