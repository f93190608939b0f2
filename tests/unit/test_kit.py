"""Is Isaac Sim there, whole and usable? Asked of folders that look like its installations, without importing it."""

import sys

import pytest

from alice.doctor import machine
from alice.system import kit

INFO = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that makes the package ``isaacsim`` in a folder on the path, and what pip knows of others."""
    monkeypatch.delenv(kit.LICENCE, raising=False)

    def make(*packages: str, folder: str = "site", version: str = "6.2.0.0"):
        place = tmp_path / folder
        (place / "isaacsim" / "kit").mkdir(parents=True)
        # Importing the real one asks for a licence or ends the process.
        (place / "isaacsim" / "__init__.py").write_text("raise SystemExit('imported')\n")
        for name in packages:
            info = place / f"{name.replace('-', '_')}-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(INFO.format(name=name, version=version))
        monkeypatch.syspath_prepend(str(place))
        return place / "isaacsim"

    yield make
    assert "isaacsim" not in sys.modules


WHOLE = ("isaacsim-kernel", *kit.PACKAGES)


def test_without_isaac_sim_the_manual_is_named():
    assert kit.missing() == "is not installed; docs/isaacsim.md tells how"
    assert machine._isaac_sim().level == "note"


def test_a_part_that_is_sold_apart_is_no_isaac_sim(tmp_path, monkeypatch):
    (tmp_path / "isaacsim" / "asset").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert kit.home() is None and kit.missing().startswith("is not installed")


@pytest.mark.parametrize("lacking", kit.PACKAGES)
def test_a_partial_installation_is_told_by_what_it_lacks(lacking, install):
    install(*(name for name in WHOLE if name != lacking))
    assert kit.missing().startswith(f"6.2.0.0 is installed in part, without {lacking}; docs/isaacsim.md")
    assert machine._isaac_sim().level == "problem"


def test_a_cache_of_another_version_does_not_count(install):
    install("isaacsim-kernel", *kit.PACKAGES[:-1])
    install(kit.PACKAGES[-1], folder="older", version="6.1.0.0")
    assert kit.missing().startswith("6.2.0.0 is installed in part, without isaacsim-extscache-physics;")


def test_the_licence_is_asked_for_until_it_is_accepted(install, monkeypatch):
    file = install(*WHOLE) / "kit" / "EULA_ACCEPTED"
    assert kit.missing().startswith("asks for its licence") and "OMNI_KIT_ACCEPT_EULA=YES" in kit.missing()
    assert machine._isaac_sim().level == "problem"
    for answer, is_accepted in (("no", False), ("", False), ("yes", True)):
        file.write_text(answer)
        assert (kit.missing() is None) == is_accepted, answer
    file.unlink()
    for answer, is_accepted in (("N", False), ("Y", True), ("yes", True), ("1", True)):
        monkeypatch.setenv(kit.LICENCE, answer)
        assert (kit.missing() is None) == is_accepted, answer
    assert machine._isaac_sim() == machine.Finding("Isaac Sim", "ok", "6.2.0.0")


def test_the_archive_of_nvidia_is_whole_and_asks_for_nothing(install, tmp_path):
    install(folder="archive/python_packages")
    assert kit.missing() is None
    assert machine._isaac_sim().text == "of an unknown version"
    (tmp_path / "archive" / "VERSION").write_text("6.2.0-rc.5\n")
    assert machine._isaac_sim() == machine.Finding("Isaac Sim", "ok", "6.2.0-rc.5")


def test_an_end_without_kit_is_left_as_it_is():
    for kind in (SystemExit(3), KeyboardInterrupt(), ZeroDivisionError()):
        with pytest.raises(type(kind)) as leaving, kit.closed_last():
            raise kind
        assert leaving.value is kind
