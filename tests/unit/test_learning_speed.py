"""Speed of learning: read from logs of known course, with pauses, runs that never got there and runs without stages."""

import json
import statistics

import pytest

pytest.importorskip("tensorboard")
pytest.importorskip("torch")

from alice.cli.usage import UsageError
from alice.studies import learning_speed
from alice.studies.learning_speed import NEVER, SPENT, STAGE, SUCCESS, measure, summarize
from alice.transfer import curriculum

SIZE = 8 * 24


def log(folder, first: int, **columns) -> None:
    """Log values of iterations from ``first`` on; tags by the names of :data:`TAGS`."""
    from torch.utils.tensorboard import SummaryWriter

    tags = {"success": SUCCESS, "stage": STAGE, "collecting": SPENT[0], "learning": SPENT[1]}
    with SummaryWriter(folder, filename_suffix=f".{first}") as writer:
        for name, values in columns.items():
            for place, value in enumerate(values):
                writer.add_scalar(tags[name], value, first + place)


def run(folder, success, seed=1, **columns):
    """Return a run folder whose iterations took 2 s of collecting and 1 s of learning."""
    (folder / "params").mkdir(parents=True)
    (folder / "params" / "alice.json").write_text(json.dumps({"num_envs": 8, "steps_per_env": 24, "seed": seed}))
    count = len(success)
    log(folder, 0, success=success, collecting=[2.0] * count, learning=[1.0] * count, **columns)
    return folder


def test_a_rate_is_reached_in_the_first_iteration_that_has_it(tmp_path):
    speed = measure(run(tmp_path / "a", [0.0, 0.4, 0.5, 0.3, 0.95]))
    assert speed.reached[0.5].steps == 3 * SIZE and speed.reached[0.5].seconds == pytest.approx(9.0)
    assert speed.reached[0.9].steps == 5 * SIZE == speed.end.steps
    assert speed.reached[0.97].steps == NEVER and speed.reached[0.97].seconds == NEVER
    assert speed.success == pytest.approx(0.95) and speed.seed == 1
    assert [steps for steps, _ in speed.curve] == [SIZE * n for n in range(1, 6)]


def test_a_stage_begins_within_the_iteration_that_shows_it(tmp_path):
    stages = [0.0, 0.3, 1.0, 1.0, 3.0]
    speed = measure(run(tmp_path / "a", [0.0] * 5, stage=stages))
    begins = {name: moment.steps for name, moment in speed.stages.items()}
    later = dict.fromkeys(curriculum.NAMES[4:], NEVER)
    assert begins == {"reach": SIZE, "grasp": 2 * SIZE, "lift": 5 * SIZE, "transport": 5 * SIZE, **later}


def test_a_training_without_curriculum_has_no_stages(tmp_path):
    speed = measure(run(tmp_path / "a", [0.0, 1.0]))
    assert speed.stages == {} and "no curriculum" in learning_speed.table([speed])


def test_a_run_that_was_resumed_is_one_run(tmp_path):
    folder = run(tmp_path / "a", [0.0, 0.1, 0.9])
    log(folder, 2, success=[0.2, 0.95], collecting=[4.0, 4.0], learning=[1.0, 1.0])  # the third was lost and done anew
    speed = measure(folder)
    assert speed.reached[0.5].steps == 4 * SIZE and speed.reached[0.5].seconds == pytest.approx(3 + 3 + 5 + 5)


def test_median_and_worst_know_never(tmp_path):
    courses = ([0.5, 0.9], [0.0, 0.5, 0.9], [0.0, 0.0, 0.5])
    speeds = [measure(run(tmp_path / str(seed), course, seed)) for seed, course in enumerate(courses)]
    found = summarize(speeds)
    assert [found[name][0.5].steps for name in ("median", "worst")] == [2 * SIZE, 3 * SIZE]
    assert [found[name][0.9].steps for name in ("median", "worst")] == [3 * SIZE, NEVER]
    assert found["median"][0.97].steps == NEVER
    assert found["median"][0.5].seconds == statistics.median(speed.reached[0.5].seconds for speed in speeds)
    two = summarize(speeds[1:])
    assert two["median"][0.9].steps == NEVER, "of two the later one"


def test_the_table_shows_each_run_and_what_never_happened(tmp_path):
    speeds = [measure(run(tmp_path / name, [0.0, rate], seed=7)) for name, rate in (("good", 0.98), ("bad", 0.2))]
    lines = learning_speed.table(speeds).splitlines()
    good, bad, median, worst = lines[1:5]
    assert good.split()[:2] == ["good", "7"] and good.count("0:06") == 4 and good.endswith("98.0%")
    assert bad.count("never") == 3 and median.startswith("median of 2") and worst.count("never") == 3
    assert "median" not in learning_speed.table(speeds[:1])


def test_json_has_null_for_never_and_the_plot_is_a_picture(tmp_path):
    speeds = [measure(run(tmp_path / "a", [0.0, 0.6], stage=[0.0, 1.0]))]
    learning_speed.write(speeds, tmp_path / "speed.json")
    content = json.loads((tmp_path / "speed.json").read_text())
    assert content["runs"][0]["reached"] == {
        "0.5": {"steps": 2 * SIZE, "seconds": 6.0},
        "0.9": {"steps": None, "seconds": None},
        "0.97": {"steps": None, "seconds": None},
    }
    assert content["runs"][0]["stages"]["grasp"]["steps"] == 2 * SIZE
    assert content["worst"]["0.9"] == {"steps": None, "seconds": None}
    learning_speed.plot(speeds, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_no_run_of_the_task_is_told(tmp_path):
    with pytest.raises(UsageError, match="holds no TensorBoard log"):
        measure(tmp_path)
    folder = run(tmp_path / "a", [])
    log(folder, 0, collecting=[1.0])
    with pytest.raises(UsageError, match="has logged no success rate"):
        measure(folder)
    log(folder, 1, success=[0.5])
    (folder / "params" / "alice.json").unlink()
    with pytest.raises(UsageError, match="does not say how many steps"):
        measure(folder)
