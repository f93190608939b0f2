"""The GPU proof from end to end on a CPU, with tiny numbers: every door takes the words that it is given."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

from alice.studies import gpu_proof

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--num_envs", "4", "--max_iterations", "1", "agent.num_steps_per_env=4", "agent.save_interval=1"]
FEW = ["--episodes", "4", "--num_envs", "4", "env.episode_length_s=1.0"]
WORDS = {
    "machine": ["--no_render"],
    "picture": ["--num_envs", "1"],
    "speed of the state task": ["--envs", "4", "--seconds", "1"],
    "speed of the camera task": ["--envs", "4", "--seconds", "1"],
    "speed on Newton": ["--envs", "4", "--seconds", "1"],
    "state training": TINY,
    "state audit": FEW,
    "camera training": TINY,
    "camera audit": FEW,
    "released state audit": FEW,
    "released camera audit": FEW,
}


@pytest.mark.slow
def test_every_question_is_answered_on_a_cpu(tmp_path):
    (tmp_path / "words.json").write_text(json.dumps(WORDS))
    line = [sys.executable, ROOT / "scripts" / "prove_gpu.py", "--minutes", "60", "--output", "proof"]
    line += ["--device", "cpu", "--words", "words.json"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=4000)
    answers = gpu_proof.read(tmp_path / "proof")["answers"]
    bad = {name: found["tail"][-5:] for name, found in answers.items() if found["code"]}
    assert not bad and set(answers) == {question.name for question in gpu_proof.QUESTIONS}
    assert done.returncode == 0 and "| released camera audit |" in done.stdout
