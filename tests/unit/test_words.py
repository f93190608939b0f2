"""What a user reads is in the field's words; ours are for the source and in ``docs/glossary.md``."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = re.compile(r"\b(doors?|rent|nest|(?:start )?banks?|whiskers?)\b(?!\.)", re.IGNORECASE)
SHOWN = {"print", "say", "note", "doing", "add_argument", "DoorParser", "ArgumentParser", "Cause", "Finding", "error"}


def shown_texts(source: str) -> list[str]:
    """Return the texts in calls that show something to a user, and in errors that are raised."""
    calls = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            calls.append(node.exc)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            calls += [node] if name in SHOWN else []
    constants = (item for call in calls for item in ast.walk(call) if isinstance(item, ast.Constant))
    return [item.value for item in constants if isinstance(item.value, str)]


@pytest.mark.parametrize("folder", ["alice", "scripts", "tasks"])
def test_a_user_meets_the_words_of_the_field(folder):
    sources = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).rglob("*.py"))}
    texts = [(path.name, text) for path, source in sources.items() for text in shown_texts(source)]
    assert texts
    assert [found for found in texts if OURS.search(found[1])] == []


def test_every_word_of_ours_is_told():
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    for word in ("door", "audit", "nest", "rent", "bank of start states", "cut", "chain", "probe", "whiskers", "calm"):
        assert re.search(rf"^\| [^|]*\b{word}\b[^|]* \|", glossary, re.MULTILINE), word


@pytest.mark.parametrize("text", ["print('this door')", "raise ValueError(f'the start bank has {n}')"])
def test_such_a_word_is_found(text):
    assert any(OURS.search(shown) for shown in shown_texts(text))
