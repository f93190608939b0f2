"""The order, the memory and the refusals of a pipeline, with doors that only write what real ones would.

``tests/sim/test_pipeline.py`` lets real doors do it and kills them.
"""

import itertools
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from alice.cli.usage import UsageError
from alice.pipeline import drive, manifest, words
from alice.pipeline.places import Places
from alice.pipeline.steps import MADE_BY, RUNS, STAGES, STEPS
from alice.runs import ahead, launch, overrides

TASK = "Alice-Ball-Transfer"


class Killed(BaseException):
    """Stands for a kill: nothing behind it runs."""


class Doors:
    """Writes what each door would write, and notes the calls.

    Args:
        rates: Success rate of an audit by the name of its file; 0.5 for the others.
    """

    def __init__(self, **rates: float):
        self.calls: list[tuple[str, list[str]]] = []
        self.rates = rates
        self.kill: str | None = None
        """Ends like a killed process in the step of that product: ``before`` or ``after`` it is written."""
        self.code: dict[str, int] = {}
        """Exit code of a door that does not get through, by its name."""

    def __call__(self, door, words, held):
        given = dict(itertools.pairwise(words))
        self.calls.append((door, words))
        if door in self.code:
            return self.code[door]
        target = Path(given.get("--run") or given.get("--json") or given["--report"])
        label = target.as_posix().partition("/whole/")[2]
        if self.kill == f"before {label}":
            raise Killed
        if door == "train":
            self._train(target, given)
        elif door == "export_onnx":
            target.parent.mkdir(exist_ok=True)
            for suffix in (".onnx", ".contract.json"):
                target.with_name(given["--task"] + suffix).write_text(Path(given["--checkpoint"]).parent.name)
            target.write_text(json.dumps({"max_error": 0.0}))
        else:
            self._evaluate(given)
        if self.kill == f"after {label}":
            raise Killed
        return 0

    def _train(self, folder: Path, given: dict[str, str]) -> None:
        (folder / "params").mkdir(parents=True, exist_ok=True)
        record = {"task": given["--task"], "agent": "a", "num_envs": 2, "seed": 1, "overrides": [], "device": "cpu"}
        record |= {"steps_per_env": 3, "first_iteration": 0, "max_iterations": 5}
        (folder / "params" / "alice.json").write_text(json.dumps(record))
        (folder / "model_4.pt").write_text(f"trained as {folder.name}")

    def _evaluate(self, given: dict[str, str]) -> None:
        rate = self.rates.get(Path(given.get("--json", "report.json")).stem, 0.5)
        content = {"success": {"rate": rate, "low": 0.0, "high": 1.0}, "episodes": 8, "date": f"{len(self.calls)}"}
        if "--record" in given:
            Path(given["--record"]).parent.mkdir(exist_ok=True)
            Path(given["--record"]).write_text("inputs")
        report = Path(given["--report"]) if "--report" in given else None
        target = report / "audit.json" if report else Path(given["--json"])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content))
        if report:
            (report / "report.html").write_text("page")

    @property
    def done(self) -> Counter:
        """How often each product was asked for."""
        given = [dict(itertools.pairwise(words)) for _, words in self.calls]
        return Counter(words.get("--run") or words.get("--json") or words["--report"] for words in given)


@pytest.fixture
def make(tmp_path):
    """Return a function that makes the pipeline of one folder anew, as each start does."""

    def pipeline(doors, stages=STAGES, **more):
        return drive.Pipeline(Places(tmp_path / "whole", TASK), list(stages), run_door=doors, **more)

    return pipeline


def read(folder: Path, name: str = manifest.FILE) -> dict:
    return json.loads((folder / "whole" / name).read_text())


def test_every_placeholder_has_a_maker_that_comes_before_it():
    names = [step.name for step in STEPS]
    assert len(set(names)) == len(names)
    assert [stage for stage in STAGES if stage in {step.stage for step in STEPS}] == list(STAGES)
    assert [step.stage for step in STEPS] == sorted((step.stage for step in STEPS), key=STAGES.index)
    for step in STEPS:
        assert set(step.placeholders) <= {*MADE_BY, "folder", "task", "camera_task"}
        assert all(names.index(MADE_BY[name]) < names.index(step.name) for name in step.inputs)


def test_all_is_done_in_its_order_and_once(make, tmp_path):
    doors = Doors()
    assert make(doors).run() == 0
    assert [door for door, _ in doors.calls] == [step.door for step in STEPS]
    assert set(doors.done.values()) == {1} and len(doors.calls) == len(STEPS)
    before = (tmp_path / "whole" / manifest.FILE).stat().st_mtime_ns
    pipeline = make(again := Doors())
    assert pipeline.run() == 0 and pipeline.missing == [] and again.calls == []
    assert (tmp_path / "whole" / manifest.FILE).stat().st_mtime_ns == before


def test_each_stage_begins_from_what_the_one_before_has_made(make):
    doors = Doors(selection_student=0.8, selection_finetune=0.7)
    make(doors).run()
    given = {words[words.index("--checkpoint") + 1].split("/whole/")[-1] for _, words in doors.calls[1:4]}
    assert given == {"state/model_4.pt", "randomized/model_4.pt", "student/model_4.pt"}
    audits = [words for door, words in doors.calls if door == "evaluate" and "camera.json" in " ".join(words)]
    assert "student/model_4.pt" in " ".join(audits[0]), "fine-tuning has spoiled it"
    assert audits[1][audits[1].index("--checkpoint") + 1].endswith(f"export/{TASK}-Camera.onnx")


PRODUCTS = [(step.product or step.stage).removesuffix("/report.html") for step in STEPS]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict:
    place = tmp_path_factory.mktemp("undisturbed")
    drive.Pipeline(Places(place / "whole", TASK), list(STAGES), run_door=Doors()).run()
    return read(place)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", PRODUCTS)
def test_killed_at_any_moment_it_ends_with_what_an_undisturbed_one_has(when, what, make, tmp_path, undisturbed):
    """A door that had written its product when it was killed is not started again, but for a run, which says so."""
    doors = Doors()
    doors.kill = f"{when} {what}"
    with pytest.raises(Killed):
        make(doors).run()
    doors.kill = None
    assert make(doors).run() == 0
    assert Counter(doors.done.values())[2] == (1 if when == "before" or what in RUNS else 0)
    ours = read(tmp_path)
    for name in ("figures", "runs", "policies", "camera_policy"):
        assert ours[name] == undisturbed[name]


def test_the_manifest_holds_figures_without_times_and_hashes(make, tmp_path):
    make(Doors(state=0.25)).run()
    found = read(tmp_path)
    assert found["figures"]["audits/state"] == {"success": {"rate": 0.25, "low": 0.0, "high": 1.0}, "episodes": 8}
    assert found["figures"]["export/camera"] == {"max_error": 0.0}
    assert set(found["figures"]) == {step.name for step in STEPS if step.stage not in RUNS}
    assert found["runs"]["student"]["samples"] == 2 * 3 * 5
    assert len(found["policies"]["exported_camera"]["sha256"]) == 64
    assert {"export/Alice-Ball-Transfer.onnx", "export/Alice-Ball-Transfer.contract.json"} <= set(found["files"])
    assert {"audits/camera.npz", "reports/camera/report.html", "state/model_4.pt"} <= set(found["files"])
    assert "25.00%" in manifest.table(found)


def test_a_door_that_is_not_through_ends_it_with_its_code(make, capsys):
    doors = Doors()
    doors.code = {"export_onnx": 143}
    assert make(doors).run() == 143
    assert "stopped in export/state; go on: " in capsys.readouterr().err
    doors.code = {}
    assert make(doors).run() == 0
    assert doors.done.most_common(1)[0][1] == 2


def test_a_window_that_was_closed_is_no_end(make, tmp_path):
    class Closed(Doors):
        def _train(self, folder, given):
            (folder / "params").mkdir(parents=True, exist_ok=True)

    assert make(Closed()).run() == 1


def test_some_stages_are_done_and_told(make):
    pipeline = make(Doors(), ["state", "randomized"])
    assert pipeline.run() == 0
    assert pipeline.missing == ["student", "finetune", "audits", "export", "closed_loop", "reports"]
    with pytest.raises(UsageError, match="--stages: export needs what audits makes"):
        make(Doors(), ["export"]).run()
    (pipeline.folder / "randomized" / "model_4.pt").unlink()
    with pytest.raises(UsageError, match="needs what randomized makes"):
        make(Doors(), ["student"]).run()


def test_other_words_are_handed_to_the_door_and_what_follows_is_done_anew(make):
    make(Doors()).run()
    doors = Doors()
    make(doors, more={"audits": ["--episodes", "16"]}).run()
    assert {door for door, _ in doors.calls} == {"evaluate"}
    assert len(doors.calls) == sum(step.stage == "audits" for step in STEPS)
    assert all(words[-2:] == ["--episodes", "16"] for _, words in doors.calls)


def test_what_was_changed_by_hand_is_made_anew(make, tmp_path):
    make(Doors()).run()
    (tmp_path / "whole" / "audits" / "state.json").write_text("{}")
    doors = Doors()
    make(doors).run()
    assert list(doors.done) == [str(tmp_path / "whole" / "audits" / "state.json")]


def test_a_folder_that_was_moved_is_gone_on_with(make, tmp_path):
    make(Doors()).run()
    shutil.move(tmp_path / "whole", tmp_path / "moved")
    doors = Doors()
    assert drive.Pipeline(Places(tmp_path / "moved", TASK), list(STAGES), run_door=doors).run() == 0
    assert doors.calls == []


def test_seed_and_device_reach_the_doors_that_know_them(make):
    doors = Doors()
    make(doors, seed=7, device="cuda:1").run()
    for door, given in doors.calls:
        assert ("--device" in given) == (door != "export_onnx")
        assert ("7" in given) == (door == "train")


##
# Refusals
##


def test_a_folder_of_other_things_is_refused(make, tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "photo.jpg").touch()
    with pytest.raises(UsageError, match=r"'photo.jpg' and no pipeline"):
        make(Doors()).run()


def test_another_task_is_refused(make, tmp_path):
    make(Doors(), ["state"]).run()
    with pytest.raises(UsageError, match="holds the pipeline of Alice-Ball-Transfer"):
        drive.Pipeline(Places(tmp_path / "whole", "Alice-Ball-Transfer-SO101"), ["state"], run_door=Doors()).run()


def test_a_second_start_is_refused(make):
    class Nested(Doors):
        def __call__(self, door, words, held):
            with pytest.raises(UsageError, match="is in use by process"):
                make(Doors()).run()
            return 143

    assert make(Nested()).run() == 143


def test_a_small_disk_is_refused_before_anything_is_done(make, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=int(drive.RESERVE)))
    doors = Doors()
    with pytest.raises(UsageError, match=r"has 300 MB free, the pipeline needs about 4\d\d MB") as told:
        make(doors).run()
    assert "\n" not in str(told.value) and doors.calls == [] and not (tmp_path / "whole").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [('{"audit": []}', "unknown stage 'audit'"), ('{"state": "--num_envs 4"}', "must be a list of words")],
)
def test_words_of_another_form_are_refused(content, expected, tmp_path):
    (tmp_path / "words.json").write_text(content)
    with pytest.raises(UsageError, match=expected):
        words.read(tmp_path / "words.json")
    assert words.read(None) == {}


@pytest.fixture(scope="module")
def isaac_lab() -> None:
    """Load what the forks look words up in, once for all of them."""
    pytest.importorskip("isaaclab")
    for task in (TASK, f"{TASK}-Camera"):
        launch.resolve_task(task)
        overrides.resolve_config(task, launch.DEFAULT_AGENT, [])


@pytest.mark.usefixtures("isaac_lab")
@pytest.mark.parametrize(
    ("stage", "word", "expected"),
    [
        ("student", "agent.algorithm.replay_sise=100", "replay_sise"),
        ("finetune", "agent.algorithm.replay_size=100", "replay_size"),
        ("audits", "env.decimaton=2", "decimaton"),
        ("state", "physics=ovphisx", "did you mean"),
    ],
)
def test_a_wrong_word_of_a_late_stage_is_told_before_the_first_door_is_started(stage, word, expected, make):
    doors = Doors()
    with pytest.raises(UsageError, match=rf"^--words, {stage}: .*{expected}"):
        make(doors, more={stage: ["--num_envs", "8", word]}).run()
    assert doors.calls == []


@pytest.mark.usefixtures("isaac_lab")
def test_right_words_pass_and_are_looked_at_once(make, monkeypatch):
    more = {"student": ["agent.algorithm.replay_size=100"], "audits": ["--episodes", "8", "physics=ovphysx"]}
    assert make(Doors(), more=more).run() == 0
    monkeypatch.setattr(ahead.os, "fork", None)  # would fail
    assert make(Doors(), more=more).run() == 0
