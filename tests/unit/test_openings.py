"""Every opening of a release seed leaves its line, before the audit; a release without one is refused."""

import json
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensordict")

from alice.cli.usage import UsageError  # noqa: E402
from alice.evaluation.audit import openings  # noqa: E402
from alice.export import release  # noqa: E402
from alice.runs import provenance, seeds  # noqa: E402

WORDS = ["scripts/evaluate.py", "--checkpoint", "released", "--json", "/tmp/a.json", "--seed", "release"]
RATE = {"rate": 0.995, "low": 0.9902, "high": 0.9974}


def _content(seed: int = 2**63) -> dict:
    content = {"checkpoint": "a.pt", "checkpoint_sha256": "0123456789abcdef", "seed": seeds.in_json(seed)}
    content |= {"date": "2026-11-28T10:00:00+00:00", "git_commit": "f00dfacecafe", "dirty": False, "episodes": 4096}
    return content | {"headlines": {"success": RATE, "carried_success": RATE}}


@pytest.fixture
def page(tmp_path):
    target = tmp_path / "releases.md"
    target.write_text("# Releases\n\n| Date | Policy | Seed | Command | Commit | Figure |\n|---|---|---|---|---|---|\n")
    return target


def test_the_line_is_there_before_the_figure(page):
    line = openings.begin(WORDS, _content(), page)
    assert page.read_text().endswith(f"|---|\n{line}\n")
    assert "2026-11-28" in line and "`a.pt` 0123456789ab" in line and str(2**63) in line and "f00dfac" in line
    assert "--seed release" in line and "a.json" not in line and "begun, no figure" in line
    assert not openings.has(_content(), page)
    openings.finish(line, _content(), page)
    text = page.read_text()
    assert "success 99.50 % (99.02 to 99.74), carried success 99.50 % (99.02 to 99.74) of 4096" in text
    assert "begun" not in text and openings.has(_content(), page)


def test_a_repetition_leaves_no_second_line_and_a_broken_off_audit_is_ended_in_its_own(page):
    line = openings.begin(WORDS, _content(), page)
    assert openings.begin([*WORDS, "--report", "/tmp/page"], _content(), page) == line  # broken off
    openings.finish(line, _content(), page)
    before = page.read_text()
    assert openings.begin(WORDS, _content(), page) is None
    assert page.read_text() == before
    assert openings.begin([*WORDS, "--domain_rand"], _content(), page) is not None
    assert openings.begin(WORDS, _content(seed=5), page) is not None
    assert page.read_text().count("begun") == 2


def test_without_a_checkout_there_is_no_page(tmp_path):
    assert openings.begin(WORDS, _content(), tmp_path / "releases.md") is None
    assert not openings.has(_content(), tmp_path / "releases.md")


def test_a_changed_work_tree_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(provenance, "changes", lambda root: ["a.py", "b.py", "c.py", "d.py"])
    with pytest.raises(UsageError, match=r"clean work tree.*a\.py, b\.py, c\.py and 1 more"):
        openings.require_clean()
    for state in ([], None):
        monkeypatch.setattr(provenance, "changes", lambda root, state=state: state)
        openings.require_clean()


REFUSED = {
    "another file": ({"checkpoint_sha256": "f" * 64}, "is the audit of"),
    "another seed": ({"seed": 20261}, "on seed 20261, not on that of this release"),
    "a changed work tree": ({"dirty": True}, "differs from its commit"),
    "no checkout": ({"dirty": None}, "differs from its commit"),
    "no line": ({"episodes": 4095}, "has no line in docs"),
}


@pytest.mark.parametrize(("change", "said"), REFUSED.values(), ids=REFUSED)
def test_an_audit_that_is_none_of_this_release_is_refused(change, said, page, tmp_path, monkeypatch):
    weights = {"actor_state_dict": {"bias": torch.zeros(2)}}
    torch.save(weights, tmp_path / "a.pt")
    job = SimpleNamespace(checkpoint=tmp_path / "a.pt", weights=weights)
    sound = _content(openings.seed_of(job)) | {"checkpoint_sha256": provenance.sha256(job.checkpoint)}
    openings.finish(openings.begin(WORDS, sound, page), sound, page)
    monkeypatch.setattr(openings, "PAGE", page)
    path = tmp_path / "audit.json"
    path.write_text(json.dumps(sound))
    assert release._audit_of(job, path) == sound
    path.write_text(json.dumps(sound | change))
    with pytest.raises(UsageError, match=said):
        release._audit_of(job, path)
