"""``--servo FILE``: fitted servos replace the table's ranges, joint by joint, and a training's record knows them."""

from types import SimpleNamespace

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from export_jobs import CAMERA, TASK, configurations  # noqa: E402

from alice.arms import SO101, XARM1S  # noqa: E402
from alice.arms.fitted import Fit, FittedServos  # noqa: E402
from alice.cli.usage import UsageError  # noqa: E402
from alice.mdp import curriculums, events  # noqa: E402
from alice.mdp.servos import ServoModel, ServoRanges  # noqa: E402
from alice.runs import overrides, ranges, records, servo_file  # noqa: E402

RANDOMIZED = ("presets=domain_rand",)


def _file(folder, arm=XARM1S, **quantities):
    """Write a servo file in which the elbow alone has a stiffness."""
    stiffness = {key: Fit(refused="nothing pulls") for key in arm.action_names}
    stiffness[arm.action_names[2]] = Fit(1.2, 0.01)
    told = {
        "servo_delay": {"bus": Fit(0.05, 0.001)},
        "servo_backlash": {key: Fit(0.01 * row, 0.0) for row, key in enumerate(arm.action_names)},
        "servo_offset": {key: Fit(refused="hidden") for key in arm.action_names},
        "drive_stiffness": stiffness,
        **quantities,
    }
    (folder / "servo.json").write_text(FittedServos(arm.name, told).to_json(), encoding="utf-8")
    return folder / "servo.json"


def _applied(folder, **quantities):
    words = servo_file.words(_file(folder, **quantities), configurations(TASK, RANDOMIZED)[0])
    return words, configurations(TASK, (*words, *RANDOMIZED))[0]


def test_fitted_ranges_replace_the_tables_joint_by_joint(tmp_path):
    words, cfg = _applied(tmp_path)
    servo, gains = cfg.actions.joints.servo, cfg.events.drive_gains.params
    assert sum(servo.delay) / 2 == pytest.approx(0.05)
    assert list(servo.backlash[0]) == list(servo.backlash[1]) == pytest.approx([0.0, 0.01, 0.02, 0.03, 0.04, 0.05])
    low, high = gains["stiffness_distribution_params"]
    assert (low[2] + high[2]) / 2 == pytest.approx(1.2) and high[2] - low[2] < 0.05
    assert (low[1], high[1]) == (0.7, 1.4), "what is refused keeps the table's range"
    assert tuple(servo.offset) == (-0.02, 0.02) and tuple(gains["damping_distribution_params"]) == (0.7, 1.4)
    assert cfg.actions.joints.ideal_servo_share == 0.0, "the arm is known: no episode has ideal servos"
    assert not [word for word in words if " " in word], "they are words of a command line"


def test_a_policys_record_and_contract_know_them(tmp_path):
    words, cfg = _applied(tmp_path)
    met = ranges.trained_for(cfg, XARM1S, ["policy"])
    assert met["servo_backlash"] == pytest.approx((0.0, 0.05))
    assert met["servo_delay"][0] > 0.045 and met["drive_stiffness"] == (0.7, 1.4)
    again = records.world_words({"overrides": words})
    assert [word for word in again if "servo.backlash" in word] and [word for word in again if "drive_gains" in word]


def test_masses_and_torques_of_a_hidden_world_are_taken_too(tmp_path):
    ones = {key: Fit(1.0, 0.0) for key in XARM1S.action_names}
    caps = {key: Fit(0.8 + 0.01 * row, 0.0) for row, key in enumerate(XARM1S.action_names)}
    _, cfg = _applied(tmp_path, link_mass=ones, torque_cap=caps)
    assert tuple(cfg.events.link_mass.params["mass_distribution_params"]) == (1.0, 1.0)
    low, _ = cfg.events.torque_cap.params["scale"]
    assert list(low) == pytest.approx([0.80, 0.81, 0.82, 0.83, 0.84, 0.85, 0.85]), "both fingers have one servo"


def test_one_file_after_another_keeps_what_the_second_refuses(tmp_path):
    words, cfg = _applied(tmp_path)
    again = _file(tmp_path, servo_backlash={key: Fit(refused="no") for key in XARM1S.action_names})
    changed = servo_file.words(again, cfg)
    assert [word for word in words if "drive_gains" in word] == [word for word in changed if "drive_gains" in word]
    assert not [word for word in changed if "backlash" in word]


BAD = {
    "no randomization": (TASK, (), {}, "give --domain_rand or presets=hobby_servo"),
    "other arm": (TASK, RANDOMIZED, {"arm": SO101}, "is of the arm 'so101'"),
    "seven actions": (TASK, (*RANDOMIZED, "env.actions.joints.coupled_fingers=false"), {}, "seven_actions"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_does_not_fit_is_told_in_one_line(name, tmp_path):
    task, words, changes, expected = BAD[name]
    with pytest.raises(UsageError) as told:
        servo_file.words(_file(tmp_path, **changes), configurations(task, words)[0])
    assert str(told.value).startswith("--servo") and expected in str(told.value) and "\n" not in str(told.value)


def test_a_file_that_refuses_everything_is_told(tmp_path):
    nothing = {"bus": Fit(refused="late")}
    told = FittedServos(XARM1S.name, {"servo_delay": nothing})
    (tmp_path / "servo.json").write_text(told.to_json(), encoding="utf-8")
    with pytest.raises(UsageError, match="refuses everything"):
        servo_file.words(tmp_path / "servo.json", configurations(TASK, RANDOMIZED)[0])


def test_a_camera_task_takes_it_too(tmp_path):
    words = servo_file.words(_file(tmp_path), configurations(CAMERA, RANDOMIZED)[0])
    assert [word for word in words if word.startswith("env.events.drive_gains")]


@pytest.mark.parametrize(
    "value", ["[[0.1,0.2],[0.3]]", "[[0.1],[a]]", "[[],[]]", "[[true],[true]]", "[[0.1],[0.2],[0.3]]", "[1,[2]]"]
)
def test_a_range_of_another_form_is_refused(value):
    with pytest.raises(UsageError, match=r"servo\.backlash"):
        configurations(TASK, (*RANDOMIZED, f"env.actions.joints.servo.backlash={value}"))


def test_other_fields_take_no_range_for_each_joint():
    with pytest.raises(UsageError, match="ball_mass"):
        overrides.resolve_config(
            TASK,
            "rsl_rl_cfg_entry_point",
            [*RANDOMIZED, "env.events.ball_mass.params.mass_distribution_params=[[0.1],[0.2]]"],
        )


##
# What draws from them
##


def _ranges(**changes) -> ServoRanges:
    nothing = dict.fromkeys(("delay", "jitter", "dead_band", "backlash", "offset", "read_noise"), (0.0, 0.0))
    return ServoRanges(**{**nothing, "gain": (1.0, 1.0), **changes})


def test_each_servo_is_drawn_from_its_own_range():
    model = ServoModel(500, 3, _ranges(offset=((-0.01, 0.0, 0.02), (0.01, 0.0, 0.03))), 0.05, 200.0)
    model.reset(torch.arange(500), torch.zeros(500, 3))
    assert (model.offset[:, 1] == 0.0).all()
    assert model.offset[:, 0].abs().max() <= 0.01 < model.offset[:, 2].min()
    assert model.offset[:, 2].std() == pytest.approx(0.01 / 12**0.5, rel=0.2)


def test_ranges_of_another_number_of_servos_are_refused():
    with pytest.raises(ValueError, match="ranges for"):
        ServoModel(2, 6, _ranges(backlash=((0.0,) * 5, (0.1,) * 5)), 0.05, 200.0)


def test_a_curriculum_opens_each_joints_range_from_the_nominal_value():
    assert curriculums.opened(((0.8, 1.0), (1.2, 1.6)), 1.0, 0.5) == ((0.9, 1.0), (1.1, 1.3))
    assert curriculums.opened(((0.8, 1.0), 1.2), 1.0, 0.0) == ((1.0, 1.0), 1.0)


def test_gains_are_drawn_for_joints_of_equal_ranges_at_once(monkeypatch):
    calls = []

    def draw(self, env, env_ids, asset_cfg, stiffness, damping, operation, distribution):
        calls.append((self.asset_cfg.joint_ids, stiffness, damping))

    monkeypatch.setattr(events.randomize_actuator_gains, "__call__", draw)
    term = object.__new__(events.randomize_drive_gains)
    term.asset = SimpleNamespace(num_joints=4, device="cpu")
    term.asset_cfg = term._everywhere = SimpleNamespace(joint_ids=slice(None))
    term(None, None, None, ((0.7, 1.1, 0.7, 0.7), (1.4, 1.2, 1.4, 1.4)), (0.7, 1.4))
    found = sorted((ids.tolist(), stiffness, damping) for ids, stiffness, damping in calls)
    assert found == [([0, 2, 3], (0.7, 1.4), (0.7, 1.4)), ([1], (1.1, 1.2), (0.7, 1.4))]
    assert term.asset_cfg.joint_ids == slice(None)
    calls.clear()
    term(None, None, None, (0.7, 1.4), (0.7, 1.4))
    assert len(calls) == 1, "one range for all is drawn as before"
