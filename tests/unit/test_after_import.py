"""Functions that run when a module is imported, whoever imports it, and never import it themselves."""

import importlib
import inspect
import sys

import pytest

from alice.system import after_import


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write a package ``watched`` with a module ``inner``, and forget it afterwards."""
    (tmp_path / "watched").mkdir()
    (tmp_path / "watched" / "__init__.py").write_text("value = 1\n")
    (tmp_path / "watched" / "inner.py").write_text("value = 2\ndef known(): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if not isinstance(f, after_import._Watcher)])
    yield
    for name in ("watched", "watched.inner"):
        sys.modules.pop(name, None)


def test_an_action_waits_for_the_import_and_sees_the_whole_module(modules):
    seen = []
    after_import.call("watched.inner", lambda module: seen.append(module.value))
    importlib.import_module("watched")
    assert seen == []
    assert importlib.import_module("watched.inner").value == 2
    assert seen == [2]


def test_what_is_imported_already_is_acted_on_at_once(modules):
    importlib.import_module("watched.inner")
    seen = []
    after_import.call("watched.inner", lambda module: seen.append(module.value))
    assert seen == [2]


def test_a_module_that_was_thrown_out_is_acted_on_again(modules):
    seen = []
    after_import.call("watched.inner", lambda module: seen.append("first"))
    after_import.call("watched.inner", lambda module: seen.append("second"))
    importlib.import_module("watched.inner")
    del sys.modules["watched.inner"]
    importlib.import_module("watched.inner")
    assert seen == ["first", "second"] * 2


def test_a_watched_module_keeps_its_loader(modules):
    after_import.call("watched.inner", lambda module: None)
    module = importlib.import_module("watched.inner")
    assert type(module.__loader__) is importlib.machinery.SourceFileLoader
    assert "known" in inspect.getsource(module.known)


def test_a_module_that_does_not_exist_stays_an_import_error(modules):
    after_import.call("watched.nowhere", lambda module: None)
    with pytest.raises(ModuleNotFoundError, match=r"watched\.nowhere"):
        importlib.import_module("watched.nowhere")
