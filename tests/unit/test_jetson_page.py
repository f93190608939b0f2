"""The page about the robot: its tables are those of the arms, its programs run as printed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")

from alice.arms import ARMS, SO101, XARM1S, so101, xarm1s  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "jetson.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EVERY_ARM = pytest.mark.parametrize("arm", ARMS.values(), ids=lambda arm: arm.name)


SECTIONS = dict(re.findall(r"^### Servos of the ([^\n]*)$(.*?)(?=^###? )", PAGE, re.DOTALL | re.MULTILINE))


def _section(arm) -> str:
    """Return what the page says of an arm's servos; a variant of an arm begins with its title."""
    (section,) = (text for title, text in SECTIONS.items() if arm.title.startswith(title))
    return section


def _rows(arm) -> list[list[str]]:
    """Return the cells of an arm's table."""
    lines = [line for line in _section(arm).splitlines() if re.match(r"\| \d \| \d: `", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@EVERY_ARM
def test_the_table_is_that_of_the_joints(arm):
    rows = _rows(arm)
    assert len(rows) == len(arm.joints)
    for column, (joint, row) in enumerate(zip(arm.joints, rows, strict=True)):
        lower, upper = re.fullmatch(rf"(-?[\d.]+) to ([\d.]+) {joint.unit}", row[3]).groups()
        assert (row[0], row[1]) == (str(joint.servo_id), f"{column}: `{joint.name}`")
        assert (float(lower), float(upper)) == pytest.approx((joint.lower, joint.upper), abs=1e-4)


@EVERY_ARM
def test_its_counts_are_those_of_the_servos(arm):
    for joint, row in zip(arm.joints, _rows(arm), strict=True):
        if joint.kind == "revolute":
            servo = joint.servo
            ends = [servo.centre_counts + servo.counts_per_radian * end for end in (joint.lower, joint.upper)]
            assert row[4] == " to ".join(str(round(end)) for end in ends)
            assert f"`counts = {servo.centre_counts} + sign · {servo.counts_per_radian:.2f} · rad`" in _section(arm)


def test_the_counts_of_the_gripper_of_the_xarm():
    per_metre = xarm1s.COUNTS_PER_RADIAN / xarm1s.FINGER_PER_RADIAN
    assert f"`counts = {xarm1s.GRIPPER_CLOSED_COUNTS} - {per_metre:.1f} · m`" in _section(XARM1S)
    for joint, row in zip(XARM1S.joints, _rows(XARM1S), strict=True):
        if joint.kind == "prismatic":
            ends = [xarm1s.GRIPPER_CLOSED_COUNTS - per_metre * end for end in (joint.lower, joint.upper)]
            assert row[4] == " to ".join(str(round(end)) for end in ends)


@EVERY_ARM
def test_a_sign_that_no_source_gives_is_to_be_checked(arm):
    for joint, row in zip(arm.joints, _rows(arm), strict=True):
        assert ("check on your arm" in row[5]) == (joint.kind == "revolute")


def test_positive_is_where_the_page_says(tool_point):
    up = tool_point({})
    assert tool_point({"shoulder_joint": 0.5})[0] > up[0] and tool_point({"shoulder_joint": 0.5})[2] < up[2]
    for name in ("elbow_joint", "wrist_pitch_joint"):
        assert tool_point({name: 0.5})[0] > up[0]
    assert tool_point({"shoulder_joint": 1.0, "base_joint": 0.5})[1] > 0
    assert XARM1S.chain.shoulder == pytest.approx((-0.011, 0.065), abs=5e-4)


def test_positive_is_where_the_page_says_of_the_so101(tool_point, opening):
    middle = tool_point({}, SO101)
    assert tool_point({"shoulder_pan": 0.5}, SO101)[1] < -0.1, "to the right"
    assert tool_point({"shoulder_lift": 0.5}, SO101)[2] < middle[2]
    for name in ("elbow_flex", "wrist_flex"):
        assert tool_point({name: 0.5}, SO101)[2] < middle[2]
    assert opening({}, SO101) == pytest.approx((0.0, 0.0, 1.0)), "in the vertical plane"
    # The hand points forward; a right-handed turn about it would take what is up to the right.
    assert opening({"wrist_roll": 0.5}, SO101)[1] > 0.4
    assert SO101.chain.shoulder == pytest.approx((0.030, 0.119), abs=5e-4)
    assert so101.SWEEP_MIDDLE["elbow_flex"] == pytest.approx(-0.12, abs=0.005)
    assert so101.ROLL_ZERO == pytest.approx(0.049, abs=5e-4) and so101.JAW_OPEN == 0.5
    assert SO101.gripper.gap(np.array(SO101.gripper.opened)) == pytest.approx(0.051, abs=5e-4)


@pytest.mark.parametrize("index", range(len(PROGRAMS)))
def test_the_programs_run_as_printed(index, tmp_path):
    pytest.importorskip("onnxruntime")
    for policy in (ROOT / "assets" / "policies").glob("*.onnx"):
        shutil.copy(policy, tmp_path)
    (tmp_path / "program.py").write_text(PROGRAMS[index])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    if index == 0:
        counts = [int(word) for word in re.search(r"counts of servos 6 to 1:(.*)", done.stdout)[1].split()]
        assert len(counts) == 6 and all(0 <= count <= 1000 for count in counts)
        assert len(done.stdout.splitlines()) == 1, "every step was taken"
    else:
        assert len(re.findall(r"-?\d+\.\d*(?:e-\d+)?", done.stdout)) == 7


def test_there_are_two_programs():
    assert len(PROGRAMS) == 2
