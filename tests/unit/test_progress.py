"""The line beneath RSL-RL's table."""

import re
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
from rsl_rl.utils.logger import Logger  # noqa: E402

from alice.learning import progress  # noqa: E402

FIGURES = {"collect_time": 2.0, "learn_time": 1.0, "loss_dict": {"value": 0.5}, "learning_rate": 1e-3}
FIGURES |= {"action_std": torch.ones(6), "rnd_weight": None}


class _Writer:
    """Takes what a logger writes."""

    def __init__(self):
        self.names = []

    def add_scalar(self, name, value, step):
        self.names.append(name)


def _logger(rank: int = 0) -> Logger:
    cfg = {"algorithm": {}, "num_steps_per_env": 24}
    logger = Logger(None, cfg, SimpleNamespace(), 512, False, 1, rank, "cpu")
    logger.writer = _Writer() if rank == 0 else None
    return logger


def test_the_line_comes_after_each_whole_table(capsys):
    logger = _logger()
    with progress.shown(logger):
        for it in (100, 101):
            logger.ep_extras = [{"Curriculum/stage/number": 0.0}, {"Curriculum/stage/number": 2.0}]
            logger.ep_extras[1]["Metrics/transfer/success_rate"] = torch.tensor(0.1234)
            logger.log(it=it, start_it=100, total_it=300, **FIGURES)
    first, second = capsys.readouterr().out.split("#" * 80)[1:]
    for table in (first, second):
        assert "Learning iteration" in table and "Mean value loss" in table and "ETA" in table
        assert "Curriculum/stage/number: 1.0000" in table, "the table's own mean"
    assert first.splitlines()[-1] == (
        "alice: stage 3 of 8: lift | success 12.3% | 1,241,088 of 3,686,400 steps | 0:09:57 left"
    )
    assert second.splitlines()[-1].endswith("| 1,253,376 of 3,686,400 steps | 0:09:54 left")
    assert "Loss/value" in logger.writer.names


def test_a_training_without_stages_shows_what_it_has(capsys):
    logger = _logger()
    with progress.shown(logger):
        logger.log(it=0, start_it=0, total_it=2, **FIGURES)
    assert capsys.readouterr().out.splitlines()[-1] == "alice: 12,288 of 24,576 steps | 0:00:03 left"


def test_other_ranks_print_nothing_and_the_logger_is_put_back(capsys):
    logger = _logger(rank=1)
    with progress.shown(logger):
        logger.log(it=0, start_it=0, total_it=2, **FIGURES)
    assert capsys.readouterr().out == ""
    assert logger.log == type(logger).log.__get__(logger)


def test_the_line_fits_beside_the_table():
    text = progress.line({"Curriculum/stage/number": 3, "Metrics/transfer/success_rate": 1.0}, 10**7, 10**8, 90061)
    assert (
        re.search("transport.*100.0%.*10,000,000 of 100,000,000 steps.*1 day, 1:01:01 left", text) and len(text) < 120
    )
