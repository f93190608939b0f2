"""Distillation from a replay memory, and PPO that goes on with its student."""

import copy
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
from rsl_rl.models import MLPModel  # noqa: E402
from rsl_rl.storage import RolloutStorage  # noqa: E402
from tensordict import TensorDict  # noqa: E402

from alice.learning import distillation  # noqa: E402
from alice.learning.distillation import Replay, ReplayDistillation  # noqa: E402
from alice.learning.ppo import StudentPPO  # noqa: E402
from alice.models.keypoints import has_bfloat16  # noqa: E402

ENVS, STEPS = 8, 4
GROUPS = {"student": ["told"], "teacher": ["state"], "actor": ["told"], "critic": ["state"]}
NOISE = {"class_name": "rsl_rl.modules.distribution:GaussianDistribution", "init_std": 0.3}
SETTINGS = {
    "class_name": "alice.learning.distillation:ReplayDistillation",
    "num_learning_epochs": 1,
    "gradient_length": 1,
    "learning_rate": 1e-2,
    "max_grad_norm": 1.0,
    "loss_type": "huber",
    "replay_size": 512,
    "min_replay": 32,
    "batch_size": 64,
    "updates_per_step": 2.0,
    "teacher_steps": 6,
    "final_learning_rate": 1e-4,
    "decay_iterations": 10,
    "bfloat16": False,
}


def _observations() -> TensorDict:
    state = torch.randn(ENVS, 4)
    return TensorDict({"state": state, "told": state.flip(-1) + 0.01 * torch.randn(ENVS, 4)}, [ENVS])


def _distillation(**changes) -> ReplayDistillation:
    torch.manual_seed(0)
    model = {"class_name": "rsl_rl.models:MLPModel", "hidden_dims": [32], "activation": "elu"}
    cfg = {
        "num_steps_per_env": STEPS,
        "obs_groups": dict(GROUPS),
        "student": {**copy.deepcopy(model), "distribution_cfg": copy.deepcopy(NOISE)},
        "teacher": {**copy.deepcopy(model), "distribution_cfg": copy.deepcopy(NOISE)},
        "algorithm": {**SETTINGS, **changes},
        "multi_gpu": None,
    }
    env = SimpleNamespace(num_envs=ENVS, num_actions=2)
    algorithm = ReplayDistillation.construct_algorithm(_observations(), env, cfg, "cpu")
    algorithm.teacher_loaded = True
    return algorithm


def _iterate(algorithm: ReplayDistillation, count: int) -> list[float]:
    """Run iterations on made-up observations and return their losses."""
    losses = []
    for _ in range(count):
        for _ in range(STEPS):
            obs = _observations()
            algorithm.act(obs)
            algorithm.process_env_step(obs, torch.zeros(ENVS), torch.zeros(ENVS), {})
        losses.append(algorithm.update().get("behavior", float("nan")))
    return losses


##
# The memory
##


def _rows(first: int, count: int) -> tuple[TensorDict, torch.Tensor]:
    numbers = torch.arange(first, first + count)
    return TensorDict({"told": numbers.byte().unsqueeze(-1), "state": torch.zeros(count, 2)}, [count]), numbers.float()


def test_the_memory_keeps_the_newest_and_only_the_groups_it_is_told_to():
    replay = Replay(10, ["told"])
    for first in range(0, 16, 4):
        replay.add(*_rows(first, 4))
    assert replay.fill == 10
    obs, labels = replay.draw(400)
    assert set(labels.tolist()) == set(range(6, 16))
    assert set(obs.keys()) == {"told"} and obs["told"].dtype == torch.uint8
    assert torch.equal(obs["told"].squeeze(-1).float(), labels)


def test_nothing_is_drawn_that_was_not_put_in():
    replay = Replay(100, ["told"])
    replay.add(*_rows(5, 3))
    _, labels = replay.draw(50)
    assert set(labels.tolist()) == {5, 6, 7}


def test_more_than_it_holds_at_once():
    replay = Replay(5, ["told"])
    replay.add(*_rows(0, 12))
    assert set(replay.draw(100)[1].tolist()) == {7, 8, 9, 10, 11}


##
# Distillation
##


def test_the_teacher_drives_first_and_the_student_then():
    algorithm = _distillation()
    for step in range(10):
        obs = _observations()
        actions = algorithm.act(obs)
        teacher = algorithm.teacher(obs)
        assert torch.allclose(actions, teacher) == (step < 6), step
        algorithm.process_env_step(obs, torch.zeros(ENVS), torch.zeros(ENVS), {})
        if (step + 1) % STEPS == 0:
            algorithm.update()


def test_environments_have_from_none_to_all_of_the_noise_and_in_no_order():
    algorithm = _distillation(teacher_steps=0)
    obs, off = _observations(), []
    for _ in range(400):
        off.append(algorithm.act(obs) - algorithm.student(obs))
    spread = torch.stack(off).std(dim=0).mean(dim=-1)
    torch.testing.assert_close(spread.sort().values, 0.3 * torch.linspace(0.0, 1.0, ENVS), atol=0.03, rtol=0)
    shares = distillation._noise_shares(128).squeeze(-1)
    for block in (*shares.split(18)[:7], shares[::2], shares[1::2]):
        assert 0.25 < block.mean() < 0.75, "no kind of ball, and no half, has little of it or much"


def test_every_second_environment_shows_beginnings_alone(monkeypatch):
    cut, algorithm = [], _distillation(beginnings=0.5, beginning_steps=16)
    algorithm._env.unwrapped = "the environment"
    monkeypatch.setattr(distillation.env_state, "end_after", lambda *given: cut.append(given))
    algorithm.act(_observations())
    assert cut == [("the environment", slice(1, None, 2), 16)]


@pytest.mark.parametrize("share", [0.4, 0.9, 1.0, 3.0])
def test_a_share_that_cannot_be_dealt_out_is_refused(share):
    with pytest.raises(ValueError, match=r"beginnings=.* is no share of the environments; give 0, 1/2"):
        _distillation(beginnings=share, beginning_steps=16)


def test_a_run_that_goes_on_fills_its_memory_before_it_learns():
    """Neither the average of its weights nor the learning rate move meanwhile."""
    algorithm = _distillation(replay_size=1000, ema_decay=0.9)
    _iterate(algorithm, 6)
    saved, other = copy.deepcopy(algorithm.save()), _distillation(replay_size=1000, ema_decay=0.9)
    other.load(saved, None, strict=True)
    weights, rate = _weights(other.student), other.learning_rate
    for is_learning in (False, False, True):
        losses = _iterate(other, 1)
        assert (losses[0] == losses[0]) == is_learning, "32 samples an iteration; there were 192"
        assert _same(weights, _weights(other.student)) == (rate == other.learning_rate) == (not is_learning)


def test_labels_are_what_the_arm_can_do():
    algorithm = _distillation()
    algorithm._raw_teacher.mlp[-1].bias.data += torch.tensor([5.0, -5.0])
    algorithm.act(_observations())
    assert algorithm.transition.privileged_actions.abs().max() == 1.0


@pytest.mark.parametrize("changes", [{}, {"bfloat16": True}, {"ema_decay": 0.98}])
def test_the_student_learns_what_the_teacher_does(changes):
    algorithm = _distillation(**changes)
    losses = _iterate(algorithm, 60)
    assert losses[-1] < 0.2 * losses[1]
    obs = _observations()
    labels = algorithm.teacher(obs).clamp(-1, 1)
    assert (algorithm.student(obs) - labels).pow(2).mean() < 0.2 * labels.var()
    assert {value.dtype for value in algorithm.student.parameters()} == {torch.float32}


@pytest.mark.parametrize("instruction", ["amx_bf16", "avx512_bf16", "avx512_f"])
def test_16_bits_are_chosen_where_the_cpu_multiplies_in_them(monkeypatch, instruction):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, instruction: True})
    assert has_bfloat16("cpu") == ("bf16" in instruction)
    assert not has_bfloat16("cuda:0")
    assert _distillation(bfloat16=None)._bfloat16 == ("bf16" in instruction)
    assert not _distillation(bfloat16=False)._bfloat16


def test_the_average_of_the_weights_acts_and_is_saved_and_the_optimizer_keeps_its_own():
    plain, averaged = _distillation(), _distillation(ema_decay=0.9)
    _iterate(plain, 1)
    _iterate(averaged, 1)
    for _ in range(20):
        before = [weight.detach().clone() for weight in averaged.student.parameters()]
        _iterate(averaged, 1)
    count = STEPS * SETTINGS["updates_per_step"]
    for old, new, learned in zip(before, averaged.student.parameters(), averaged._learned, strict=True):
        assert torch.allclose(new, learned + 0.9**count * (old - learned), atol=1e-6)
    assert any(not torch.equal(a, b) for a, b in zip(averaged._learned, averaged.student.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(plain._learned, plain.student.parameters(), strict=True))

    saved = copy.deepcopy(averaged.save())
    assert torch.equal(saved["student_state_dict"]["mlp.0.weight"], averaged.student.mlp[0].weight)
    other = _distillation(ema_decay=0.9)
    other.load(saved, None, strict=True)
    assert all(torch.equal(a, b) for a, b in zip(other._learned, averaged._learned, strict=True))


def test_nothing_is_learned_before_there_is_enough():
    algorithm = _distillation(min_replay=80)
    before = copy.deepcopy(algorithm.student.state_dict())
    losses = _iterate(algorithm, 2)
    assert all(loss != loss for loss in losses)
    weights = {key: value for key, value in before.items() if "mlp" in key}
    assert all(torch.equal(value, algorithm.student.state_dict()[key]) for key, value in weights.items())
    assert _iterate(algorithm, 1)[0] > 0.0


def test_the_learning_rate_ends_where_it_is_told_to():
    algorithm = _distillation()
    rates = []
    for _ in range(12):
        _iterate(algorithm, 1)
        rates.append(algorithm.optimizer.param_groups[0]["lr"])
    assert rates == sorted(rates, reverse=True) and rates[0] < 1e-2
    assert rates[9:] == pytest.approx([1e-4] * 3)


def test_a_checkpoint_goes_on_and_a_teacher_begins():
    algorithm = _distillation()
    _iterate(algorithm, 3)
    saved = copy.deepcopy(algorithm.save())
    other = _distillation()
    assert other.load(saved, None, strict=True)
    assert other.learning_rate == algorithm.learning_rate < 1e-2
    obs = _observations()
    assert torch.equal(other.student(obs), algorithm.student(obs))
    assert not torch.allclose(other.act(obs), other.teacher(obs)), "the teacher's steps are over"

    teacher = {"actor_state_dict": algorithm.teacher.state_dict(), "iter": 9}
    fresh = _distillation()
    assert not fresh.load(teacher, {"student": True}, strict=True)
    assert fresh.teacher_loaded and fresh.learning_rate == 1e-2


##
# PPO after it
##


def _ppo(warmup: int) -> StudentPPO:
    torch.manual_seed(4)
    obs = _observations()
    actor = MLPModel(obs, GROUPS, "actor", 2, [32], distribution_cfg=copy.deepcopy(NOISE))
    critic = MLPModel(obs, GROUPS, "critic", 1, [32])
    storage = RolloutStorage("rl", ENVS, STEPS, obs, [2])
    return StudentPPO(actor, critic, storage, num_learning_epochs=2, num_mini_batches=2, critic_warmup=warmup)


def _update(ppo: StudentPPO) -> None:
    with torch.inference_mode():
        for _ in range(STEPS):
            obs = _observations()
            ppo.act(obs)
            ppo.process_env_step(obs, torch.randn(ENVS), torch.zeros(ENVS), {})
        ppo.compute_returns(obs)
    ppo.update()


def _weights(model) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def _same(one, other) -> bool:
    return all(torch.equal(first, second) for first, second in zip(one, other, strict=True))


def test_ppo_begins_with_the_student_and_lets_the_critic_learn_first():
    student = _distillation()
    _iterate(student, 2)
    ppo = _ppo(warmup=2)
    assert not ppo.load(copy.deepcopy(student.save()), None, strict=True)
    obs = _observations()
    assert torch.equal(ppo.actor(obs), student.student(obs))
    for is_warming in (True, True, False):
        actor, critic = _weights(ppo.actor), _weights(ppo.critic)
        _update(ppo)
        assert _same(actor, _weights(ppo.actor)) == is_warming
        assert not _same(critic, _weights(ppo.critic))


def test_a_run_that_is_gone_on_with_remembers_its_warm_up():
    student, ppo = _distillation(), _ppo(warmup=2)
    ppo.load(copy.deepcopy(student.save()), None, strict=True)
    _update(ppo)
    other = _ppo(warmup=2)
    assert other.load(copy.deepcopy(ppo.save()), None, strict=True)
    actor = _weights(other.actor)
    _update(other)
    assert _same(actor, _weights(other.actor))
    _update(other)
    assert not _same(actor, _weights(other.actor))


def test_from_nothing_there_is_no_warm_up():
    ppo = _ppo(warmup=2)
    actor = _weights(ppo.actor)
    _update(ppo)
    assert not _same(actor, _weights(ppo.actor))


def test_the_runs_of_a_chain_have_names_of_their_own_behind_a_given_one(tmp_path, monkeypatch, capsys):
    import argparse
    import itertools
    from types import SimpleNamespace

    from alice.runs import chain as teaching
    from alice.runs import checkpoints, launch

    monkeypatch.chdir(tmp_path)
    jobs = iter(("distillation", "finetune"))

    def prepare(flags, words, play_mode):
        assert not any(word.startswith("agent.run_name=") for word in words), "it would be that of both runs"
        agent = SimpleNamespace(experiment_name="camera", run_name=next(jobs), max_iterations=2)
        return SimpleNamespace(task="T", agent=flags.agent, checkpoint="x", agent_cfg=agent, first_iteration=0)

    def run(door, words, held):
        given = dict(itertools.pairwise(words))
        folder = checkpoints.LOG_ROOT / given["--experiment_name"] / f"{given['--run_timestamp']}_{given['--run_name']}"
        folder.mkdir(parents=True)
        (folder / "model_1.pt").touch()
        assert words.count("--run_name") == words.count("--experiment_name") == 1
        return 0

    monkeypatch.setattr(launch, "prepare", prepare)
    monkeypatch.setattr(launch, "resolve_task", lambda name: name)
    for place, name, value in (
        (teaching, "check", None),
        (teaching, "task_of_teacher", "S"),
        (teaching.Chain, "_compare", 0),
    ):
        monkeypatch.setattr(place, name, lambda *words, value=value: value)
    monkeypatch.setattr(checkpoints, "resolve", lambda name, task: tmp_path / "teacher.pt")
    monkeypatch.setattr(teaching.child, "run", run)
    names = ("resume", "checkpoint", "phase", "more_iterations", "num_envs", "seed", "device", "max_iterations", "keep")
    given = dict.fromkeys((*names, "encoder_weights", "run", "servo"))
    args = argparse.Namespace(**given, domain_rand=False, teacher="released")
    args.agent, args.task = launch.DEFAULT_AGENT, "T"
    stock = argparse.Namespace(run_timestamp=None, run_name="mine", experiment_name="lab", distributed=False)
    others = ["--run_name", "mine", "--experiment_name=lab", "--logger", "tensorboard"]
    assert teaching.run(args, ["agent.run_name=other"], others, stock, None, None) == 0
    made = sorted(folder.name.split("_", 2)[2] for folder in (checkpoints.LOG_ROOT / "lab").iterdir())
    assert made == ["mine_distillation", "mine_finetune"]
