"""The device follows what PyTorch can really use, and a GPU that is left alone is told of in one line."""

import os
import types

import pytest

from alice.cli.usage import UsageError
from alice.system import device

torch = pytest.importorskip("torch")
KERNELS = ["sm_75", "sm_80", "sm_90", "compute_90"]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that puts GPUs into this machine, by their compute capability, and an ``nvidia-smi``."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def build(*capabilities: tuple[int, int], smi: str = "exit 127", built_for: str | None = "13.0") -> None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{smi}\n", encoding="utf-8")
        (tmp_path / "nvidia-smi").chmod(0o755)
        fakes = {
            "is_available": lambda: bool(capabilities),
            "device_count": lambda: len(capabilities),
            "get_arch_list": lambda: KERNELS,
            "get_device_capability": lambda index: capabilities[index],
            "get_device_name": lambda index: f"Card {index}",
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)
        monkeypatch.setattr(torch.version, "cuda", built_for)
        device.cuda.cache_clear()
        device._tell_once.cache_clear()

    yield build
    device.cuda.cache_clear()
    device._tell_once.cache_clear()


@pytest.mark.parametrize(
    ("gpus", "requested", "expected"),
    [(0, None, "cpu"), (1, None, "cuda:0"), (2, "cpu", "cpu"), (2, "cuda", "cuda:0"), (2, "cuda:1", "cuda:1")],
)
def test_the_device_follows_the_machine(gpus, requested, expected, machine):
    machine(*[(8, 0)] * gpus, smi="exit 0")
    assert device.choose(requested) == expected


@pytest.mark.parametrize(
    ("gpus", "requested", "reason"),
    [
        (0, "cuda:0", "finds no CUDA device on this machine; devices: cpu"),
        (2, "cuda:2", "devices: cpu, cuda:0, cuda:1"),
        (1, "gpu", "devices: cpu, cuda:0"),
    ],
)
def test_a_device_that_is_not_there_is_refused(gpus, requested, reason, machine):
    machine(*[(8, 0)] * gpus, smi="exit 0")
    with pytest.raises(UsageError, match=reason):
        device.choose(requested)


@pytest.mark.parametrize(
    ("smi", "built_for", "told"),
    [
        ("echo 'GPU 0: NVIDIA X'", None, "this PyTorch is built without CUDA"),
        ("echo 'GPU 0: NVIDIA X'", "13.0", "PyTorch none for CUDA 13.0"),
        ("echo 'NVIDIA-SMI has failed because'; exit 9", "13.0", "fails (NVIDIA-SMI has failed because)"),
    ],
)
def test_a_gpu_that_pytorch_does_not_see_is_told_of_once(smi, built_for, told, machine, capsys):
    machine(smi=smi, built_for=built_for)
    assert [device.choose(None), device.choose(None)] == ["cpu", "cpu"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("alice: note: ") and told in lines[0]
    assert device.choose("cpu") == "cpu"
    assert capsys.readouterr().err == ""
    with pytest.raises(UsageError, match="nvidia-smi"):
        device.choose("cuda")


def test_a_driver_without_a_gpu_is_nothing_to_speak_of(machine, capsys):
    machine(smi="echo 'No devices were found'")
    assert device.choose(None) == "cpu"
    assert capsys.readouterr().err == ""


def test_a_hidden_gpu_is_a_wish_and_no_mistake(machine, monkeypatch, capsys):
    machine(smi="echo 'GPU 0: NVIDIA X'")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device.choose(None) == "cpu"
    assert capsys.readouterr().err == ""


def test_a_card_that_is_too_old_is_left_alone_with_a_word(machine, capsys):
    machine((6, 1))
    assert device.choose(None) == "cpu"
    told = capsys.readouterr().err
    assert "cuda:0 (Card 0, capability 6.1)" in told and "sm_75 sm_80" in told and told.count("\n") == 1
    with pytest.raises(UsageError, match=r"--device 'cuda' cannot be used; cuda:0 \(Card 0, capability 6.1\)"):
        device.choose("cuda")


def test_the_next_card_is_taken_where_the_first_is_too_old(machine):
    machine((6, 1), (9, 0))
    assert device.choose("cuda") == device.choose(None) == device.preferred() == "cuda:1"


@pytest.mark.parametrize(
    ("kernels", "capability", "runs"),
    [
        (["sm_80"], (8, 0), True),
        (["sm_80"], (8, 6), True),
        (["sm_86"], (8, 0), False),
        (["sm_80"], (9, 0), False),
        (["compute_80"], (9, 0), True),
        (["compute_90"], (8, 9), False),
        (["sm_90a"], (9, 0), True),
        (["sm_120a"], (12, 1), False),
        (["sm_120"], (12, 1), True),
        ([], (3, 5), True),
    ],
)
def test_what_machine_code_runs_on(kernels, capability, runs):
    assert device.runs_on(kernels, capability) is runs


def test_configurations_run_on_what_the_machine_has(machine):
    """Isaac Lab's own commands take the device of a configuration, and stock configurations say cuda:0."""
    pytest.importorskip("isaaclab_rl")
    machine()
    from alice.agents.ball_transfer.rsl_rl_ppo_cfg import BallTransferPPORunnerCfg
    from alice.tasks.ball_transfer.env_cfg import BallTransferEnvCfg

    assert BallTransferEnvCfg().sim.device == "cpu"
    machine((8, 0))
    assert BallTransferEnvCfg().sim.device == "cuda:0"
    assert BallTransferPPORunnerCfg().device in ("cpu", "cuda:0")


@pytest.mark.parametrize(("capabilities", "expected"), [([], None), ([(8, 0)], "cuda:0")])
def test_the_flag_of_isaac_lab_leaves_the_device_to_the_configuration_without_cuda(capabilities, expected, machine):
    import argparse

    from alice import compat

    def add_launcher_args(parser):
        parser.add_argument("--device", default="cuda:0")

    machine(*capabilities)
    launcher = types.SimpleNamespace(add_launcher_args=add_launcher_args)
    assert compat.let_configurations_choose_the_device(launcher)
    assert not compat.let_configurations_choose_the_device(launcher)
    parser = argparse.ArgumentParser()
    launcher.add_launcher_args(parser)
    assert parser.parse_args([]).device == expected
    assert parser.parse_args(["--device", "cuda:0"]).device == "cuda:0"
