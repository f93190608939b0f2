"""What a report shows and writes."""

import csv

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("isaaclab")
np = pytest.importorskip("numpy")

from made_up import CRANE  # noqa: E402
from matplotlib import pyplot  # noqa: E402

from alice.arms import XARM1S, Arm  # noqa: E402
from alice.evaluation.audit import audit, report, tracks  # noqa: E402
from alice.evaluation.pictures import page, plots, video, whiskers  # noqa: E402
from alice.evaluation.pictures.replay import Clip  # noqa: E402


def _track(length: int, arm: Arm = XARM1S) -> tracks.Track:
    """Return a track whose columns count on from step to step and from left to right."""
    width = sum(tracks.widths(arm).values())
    values = torch.arange(length * width, dtype=torch.float32).reshape(length, width)
    return tracks.Track(arm, values, torch.zeros(3), torch.tensor([0.2, 0.0, 0.0]), 0.015)


@pytest.mark.parametrize(("arm", "joints"), [(XARM1S, 7), (CRANE, 6)])
def test_a_track_gives_its_columns_by_name(arm, joints):
    track = _track(4, arm)
    assert len(track) == 4 and track.values.shape == (4, 4 * joints + 10)
    assert torch.equal(track.joint_pos, track.values[:, :joints])
    assert torch.equal(track.targets, track.values[:, joints : 2 * joints])
    assert torch.equal(track.is_in_dish, track.values[:, -1:])
    assert torch.equal(torch.cat([getattr(track, name) for name in tracks.widths(arm)], dim=-1), track.values)
    with pytest.raises(AttributeError):
        _ = track.ball_colour


def test_the_median_success_and_the_first_failure_of_each_kind_are_shown():
    outcomes = ["success", "ball_lost", "success", "timeout", "success", "ball_lost"]
    assert page.choose(outcomes, [50, 9, 30, 160, 40, 8]) == {"success": 4, "ball_lost": 1, "timeout": 3}
    assert page.choose(["timeout"], [160]) == {"timeout": 0}


def test_the_first_episodes_and_the_first_failures_are_listed():
    outcomes = ["success"] * 100 + ["ball_lost"] * 50
    assert page.listed(outcomes) == [*range(16), *range(100, 116)]
    assert page.listed(["ball_lost"] * 3) == [0, 1, 2]


@pytest.mark.parametrize(
    ("arm", "first", "last"), [(XARM1S, "base_joint", "right_finger_joint"), (CRANE, "pan", "jaw")]
)
def test_every_step_of_the_listed_episodes_is_a_line(arm, first, last, tmp_path):
    kept = tracks.Tracks()
    kept._finished = [_track(3, arm), _track(5, arm), _track(2, arm)]
    tracks.write_steps(kept, [0, 2], 0.05, tmp_path / "steps.csv")
    with (tmp_path / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["episode"], row["step"], row["time_s"]) for row in rows] == [
        ("0", "0", "0.000"), ("0", "1", "0.050"), ("0", "2", "0.100"), ("2", "0", "0.000"), ("2", "1", "0.050"),
    ]  # fmt: skip
    assert float(rows[1][f"pos_{first}"]) == float(kept[0].joint_pos[1, 0])
    assert float(rows[1]["ball_z"]) == float(kept[0].ball_pos[1, 2])
    assert float(rows[1][f"speed_{last}"]) == float(kept[0].joint_speed[1, -1])
    assert float(rows[1][f"effort_{last}"]) == float(kept[0].effort[1, -1])
    assert float(rows[1]["tool_x"]) == float(kept[0].tool_pos[1, 0])


@pytest.mark.parametrize("length", [1, 3, 40])
@pytest.mark.parametrize("steps", [(0, 0, 0, 0, 0, 0), (2, 2, 2, 0, 0, 0), (5, 9, 14, 22, 30, 39)])
def test_a_time_lapse_has_equal_pictures_and_never_more_than_it_may(length, steps):
    clip = Clip(np.zeros(((length + 1) // 2, 3, 30, 40, 3), dtype=np.uint8))
    strip = page._time_lapse(clip, length, steps, 0.05)
    assert strip.shape[1] == min(page.SHOTS, length) * page.SHOT_WIDTH


def test_the_whole_arm_is_in_the_picture_wherever_it_works():
    # Where finger tips came in 64 episodes of the released policy, 7 mm more.
    reach = ((0.05, 0.37), (0.25, 0.37), (0.34, 0.10), (0.34, 0.0))
    hand = [(r * np.cos(turn), r * np.sin(turn), z) for r, z in reach for turn in np.linspace(-0.7, 0.7, 9)]
    base = [(x, y, 0.0) for x in (-0.06, 0.06) for y in (-0.06, 0.06)]
    width, height = video.SIZE
    pixels = video.project(np.array(hand + base), width, height)
    assert (pixels > 5).all() and (pixels < (width - 5, height - 5)).all()


def test_a_label_covers_nothing():
    tile = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    made = video.labelled(tile, "episode 3", "released", video.GREEN)
    assert made.shape == (256, 320, 3)
    assert (made[16:] == tile).all()
    assert len(np.unique(made[:16])) > 2, "nothing is written"


def test_points_are_drawn_where_the_camera_sees_them():
    at = np.array(video.LOOK_AT)
    up, left = np.array((0.0, 0.0, 0.1)), np.array((0.0, 0.1, 0.0))
    pixels = video.project(np.stack([at, at + up, at + left]), 400, 300)
    assert np.allclose(pixels[0], (200, 150))
    assert abs(pixels[1, 0] - 200) < 1 and pixels[1, 1] < 150  # up is up
    assert pixels[2, 0] > 200  # the arm's left is on the right: the camera stands on its right and looks back


def test_whiskers_begin_where_something_happened():
    track = _track(30)
    assert whiskers.branches(track, torch.tensor([4, 9, 12, 0, 0, 0])) == [(0, "start"), (9, "pinched"), (12, "lifted")]
    assert whiskers.branches(track, torch.tensor([4, 0, 0, 0, 0, 0])) == [(0, "start")]


##
# Plots
##


def _audited(count: int, passed: int, arm: Arm = XARM1S):
    """Return episodes that passed the first so many stages, all over the workspace."""
    from alice.evaluation.audit.audit import Episodes

    draw = torch.Generator().manual_seed(count)
    stages = torch.arange(6).expand(count, 6) < passed
    place = torch.tensor([0.12, -0.12]) + torch.rand(count, 2, generator=draw) * torch.tensor([0.20, 0.24])
    return Episodes(
        arm=arm,
        stages=stages,
        stage_steps=torch.where(stages, torch.randint(20, 60, (count, 6), generator=draw), 0),
        max_height=0.07 * stages[:, 2].float(),
        in_dish=stages[:, 5],
        held=torch.zeros(count, dtype=torch.bool),
        lost=torch.zeros(count, dtype=torch.bool),
        placed=stages[:, 5],
        length=torch.full((count,), 60),
        ball_radius=torch.full((count,), 0.015),
        ball_start=place,
        dish=place.flip(0),
        peak_effort=torch.rand(count, len(arm.joints), generator=draw),
        peak_speed=torch.rand(count, len(arm.joints), generator=draw),
        mean_speed=torch.rand(count, len(arm.joints), generator=draw),
        room=torch.rand(count, len(arm.joints), generator=draw),
        work=torch.rand(count, generator=draw),
        jerk=torch.rand(count, generator=draw),
    )


def _boxes(figure) -> dict:
    """Return where each text of a figure is drawn that is not empty [pixels]."""
    figure.draw_without_rendering()
    texts = figure.findobj(lambda item: hasattr(item, "get_text") and item.get_text().strip() and item.get_visible())
    return {(text.get_text(), id(text)): text.get_window_extent() for text in texts}


@pytest.mark.parametrize(("count", "passed"), [(1, 0), (1, 6), (64, 0), (64, 3), (2048, 6)])
def test_titles_run_under_nothing_and_no_plot_is_empty_without_a_word(count, passed):
    episodes = _audited(count, passed)
    figures = audit.summarize(episodes, 0.05)
    workspace = plots.workspace(episodes)
    boxes = _boxes(workspace)
    titles = [box for (text, _), box in boxes.items() if text in ("ball at the start", "dish")]
    bars = [axis.get_window_extent() for axis in workspace.axes if axis.get_label() == "<colorbar>"]
    assert len(titles) == len(bars) == 2
    assert not any(title.overlaps(bar) for title in titles for bar in bars)
    said = {text for text, _ in boxes}
    assert ("a failure" in said) == (passed < 6)
    assert ("no episode" in said) == (count == 64)  # one has a cell of its own, thousands fill all 80
    times = plots.times(episodes, 0.05)
    said = {text for text, _ in _boxes(times)}
    assert ("no episode succeeded" in said) == (passed < 6)
    assert ("the ball was never held and raised" in said) == (passed < 3)
    for axis in times.axes:
        assert axis.patches or axis.texts
    funnel = _boxes(plots.funnel(figures))
    assert sum(text.endswith("%") for text, _ in funnel) == 6
    pyplot.close("all")


@pytest.mark.parametrize(("arm", "names"), [(XARM1S, ["base", "shoulder"]), (CRANE, ["pan", "lift"])])
def test_drives_are_shown_by_the_joints_of_the_arm(arm, names):
    episodes = _audited(8, 6, arm)
    panels = plots.drives(episodes).axes
    said = [label.get_text() for label in panels[0].get_yticklabels()]
    assert len(said) == len(arm.joints) and [name for name in said if name in names] in (names, names[::-1])
    pyplot.close("all")
    joints = audit.summarize(episodes, 0.05)["joints"]
    assert list(joints) == list(arm.names)
    units = [joint["units"] for joint in joints.values()]
    assert units == [["N·m", "rad/s"] if joint.kind == "revolute" else ["N", "m/s"] for joint in arm.joints]


def test_episodes_of_several_rounds_are_one():
    whole = audit.Episodes.concatenate([_audited(3, 6, CRANE), _audited(2, 1, CRANE)])
    assert whole.arm is CRANE and whole.peak_speed.shape == (5, 6)
    assert whole.in_dish.tolist() == [True] * 3 + [False] * 2


def test_the_table_says_why_more_can_be_carried_than_lifted():
    figures = audit.summarize(_audited(8, 3), 0.05)
    content = {"checkpoint": "a.pt", "task": "T", "seed": 1, "seed_kind": "audit", "physics": "p", "device": "cpu"}
    content["draws"] = {"starts": 8, "ball_kinds": 1, "friction_values": {}}
    content |= {"wall_time_s": 1.0, "num_envs": 8, **figures}
    (line,) = [line for line in report.table(content).splitlines() if line.startswith("  lifted")]
    assert "100.00%" in line and "by 5 cm; not required" in line
