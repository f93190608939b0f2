"""The folder of ``--run``: begin, go on, finished or refused, decided without a simulator; and who holds it."""

import os

import pytest
from run_folders import TASK, flags, make_run, run_of, words

from alice.cli.usage import UsageError
from alice.runs import folders, lock, wording
from alice.runs.folders import Asked, Content, Step

##
# Same words
##


SAME = {
    "order": (words("env.decimation=2", "env.sim.dt=0.01"), words("env.sim.dt=0.01", "env.decimation=2")),
    "the last of two counts": (words("env.decimation=3", "env.decimation=2"), words("env.decimation=2")),
    "how a number is written": (words("agent.algorithm.gamma=1e-4"), words("agent.algorithm.gamma=0.0001")),
    "presets in another order": (words("presets=a,b"), words("presets=b", "presets=a")),
    "a preset by its flag": (words("presets=domain_rand"), words(domain_rand=True)),
    "iterations": (words("agent.max_iterations=3", max_iterations=3), words(more_iterations=9)),
    "where a file lies": (words("env.x.usd_path=/here/arm.usd"), words("env.x.usd_path=/mnt/there/arm.usd")),
    "flags of Isaac Lab": (words(others=["--logger", "wandb", "--video"]), words(others=["--video", "--logger=wandb"])),
    "what is shown": (words(others=["--verbose"]), words()),
    "a namespace": (words(task=f"alice.tasks:{TASK}"), words()),
}


@pytest.mark.parametrize("name", SAME)
def test_words_that_mean_the_same_are_equal(name):
    assert wording.differences(*SAME[name], {}) == []


DIFFERENT = {
    "seed": (words(seed=1), words(seed=3), "--seed 3 was --seed 1"),
    "environments": (words(num_envs=64), words(num_envs=32), "--num_envs 32 was --num_envs 64"),
    "task": (words(), words(task="Alice-Ball-Transfer-Camera"), "--task Alice-Ball-Transfer-Camera was"),
    "override": (words("env.decimation=2"), words("env.decimation=3"), "env.decimation=3 was env.decimation=2"),
    "one more": (words(), words("env.decimation=2"), "env.decimation=2 was not given"),
    "one less": (words(phase="grasp"), words(), "--phase grasp is missing"),
    "preset": (words("presets=a"), words("presets=a", domain_rand=True), "presets=a,domain_rand was presets=a"),
    "logger": (words(), words(others=["--logger", "wandb"]), "--logger wandb was not given"),
    "start": (
        words(checkpoint="released"),
        words(checkpoint="latest"),
        "--checkpoint latest was --checkpoint rel",
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_word_is_named(name):
    begun, now, told = DIFFERENT[name]
    (found,) = wording.differences(begun, now, {})
    assert found.startswith(told)


def test_what_the_run_has_anyway_may_be_said():
    assert wording.differences(words(), words(seed=1), {"--seed": 1}) == []
    assert wording.differences(words(), words(seed=2), {"--seed": 1})


def test_a_file_counts_by_its_content_and_a_folder_by_its_name(tmp_path):
    one, other, folder = tmp_path / "a.pt", tmp_path / "b" / "c.pt", tmp_path / "b"
    folder.mkdir()
    one.write_bytes(b"weights")
    other.write_bytes(b"weights")
    assert words(checkpoint=one) == words(checkpoint=other)
    other.write_bytes(b"others")
    assert words(checkpoint=one) != words(checkpoint=other)
    assert words(checkpoint=folder)["--checkpoint"] == "b"


def test_the_number_of_iterations_is_read_from_flag_or_override():
    assert wording.iterations(flags(), ["agent.max_iterations=4"]) == 4
    assert wording.iterations(flags(max_iterations=5), ["agent.max_iterations=4"]) == 5
    assert wording.iterations(flags(), []) is None
    with pytest.raises(UsageError, match=r"agent\.max_iterations=x"):
        wording.iterations(flags(), ["agent.max_iterations=x"])


##
# Begin, go on, finished
##


DECISIONS = {
    "no folder": (Content(), {}, (Step.BEGIN, None)),
    "killed before its first checkpoint": (Content(run_of()), {}, (Step.BEGIN, None)),
    "the same, with other words": (Content(run_of(words=words(seed=7))), {}, (Step.BEGIN, None)),
    "half done": (Content(run_of(), 4), {}, (Step.GO_ON, 10)),
    "half done, same number": (Content(run_of(), 4), {"iterations": 10}, (Step.GO_ON, 10)),
    "done": (Content(run_of(), 10), {}, (Step.FINISHED, 10)),
    "done, less asked for": (Content(run_of(), 10), {"iterations": 6}, (Step.FINISHED, 10)),
    "done, more asked for": (Content(run_of(), 10), {"iterations": 15}, (Step.GO_ON, 15)),
    "done, and more": (Content(run_of(), 10), {"more": 5}, (Step.GO_ON, 15)),
    "killed in the five more": (Content(run_of(15, more_iterations=5), 12), {"more": 5}, (Step.GO_ON, 15)),
    "killed in the five more, three": (Content(run_of(15, more_iterations=5), 12), {"more": 3}, (Step.GO_ON, 15)),
    "five more done, five more": (Content(run_of(15, more_iterations=5), 15), {"more": 5}, (Step.GO_ON, 20)),
    "from a checkpoint of 100": (Content(run_of(110, first_iteration=100), 104), {"iterations": 10}, (Step.GO_ON, 110)),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_what_a_start_does(name):
    content, asked, expected = DECISIONS[name]
    assert folders.decide(content, Asked(words(), **asked), "F") == expected


REFUSALS = {
    "more of nothing": (Content(), Asked(words(), more=3), "'F' holds none yet"),
    "other words": (Content(run_of(), 4), Asked(words(seed=3)), "--seed 3 was not given; give the same words"),
    "of an earlier version": (
        Content({"task": TASK, "max_iterations": 9}, 4),
        Asked(words()),
        "go on with it by --resume F",
    ),
    "something else": (Content(strange="holds 'a'"), Asked(words()), "--run: 'F' holds 'a'"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused(name):
    content, asked, reason = REFUSALS[name]
    with pytest.raises(UsageError, match=reason) as refused:
        folders.decide(content, asked, "F")
    assert "\n" not in str(refused.value)


def test_a_command_that_goes_on_leaves_its_words_to_the_record():
    args = flags(seed=1, num_envs=2, phase="grasp", checkpoint="released", domain_rand=True, more_iterations=3)
    given = ["agent.algorithm.learning_rate=1e-3", "env.x.usd_path=/mnt/arm.usd"]
    assert folders.as_begun(args, given, ["--logger", "wandb", "--verbose"], 10) == (given[1:], ["--verbose"])
    left = (args.seed, args.num_envs, args.phase, args.checkpoint, args.domain_rand, args.more_iterations)
    assert left == (None, None, None, None, False, None) and args.max_iterations == 10


def test_another_machine_or_program_is_told():
    from alice.runs import resume

    now = {"device": "cpu", "version": "0.1.0", "git_commit": "a" * 40}
    assert resume.changes(now, now) == []
    begun = {**now, "device": "cuda:0"}
    assert resume.changes(begun, now) == ["device cpu, before cuda:0"]
    assert resume.changes({**begun, "resumed": [now]}, now) == [], "it was told when it changed"
    told = resume.changes({**now, "git_commit": None}, now)
    assert told == [f"commit {'a' * 12}, before unknown"]


##
# What a folder holds
##


def test_an_empty_folder_is_as_good_as_none(tmp_path):
    assert folders.look(tmp_path / "missing") == folders.look(tmp_path) == Content()
    (tmp_path / lock.FILE).touch()
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / ".77-alice.json").touch()  # killed while it wrote its record
    assert folders.look(tmp_path) == Content()


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    assert "holds 'holiday.jpg' and no run" in folders.look(tmp_path).strange
    (tmp_path / "holiday.jpg").unlink()
    (tmp_path / "run.json").write_text("{}")
    assert "no run of scripts/train.py" in folders.look(tmp_path).strange, "of Isaac Lab's own command"


def test_a_run_counts_up_to_its_newest_whole_checkpoint(tmp_path):
    assert folders.look(make_run(tmp_path / "a")).done is None
    folder = make_run(tmp_path / "b", 4, 50)
    assert folders.look(folder).done == 51
    (folder / "model_50.pt").write_bytes(b"half")
    assert folders.look(folder).done == 5
    (folder / "model_4.pt").write_bytes(b"")
    assert "none can be opened" in folders.look(folder).strange, "nothing is deleted unasked"


def test_what_was_killed_before_its_first_checkpoint_leaves_nothing_in_the_way(tmp_path):
    folder = make_run(tmp_path / "a")
    (folder / "notes.txt").write_text("mine")
    with lock.Lock() as held:
        folders.make(folder, held)
        assert sorted(os.listdir(folder)) == [lock.FILE, "notes.txt"]
        folders.remove(folder, held)
    assert os.listdir(folder) == ["notes.txt"]
    with lock.Lock() as held, pytest.raises(UsageError, match="just now; start again"):
        folders.make(make_run(tmp_path / "b", 3), held)
    assert (tmp_path / "b" / "model_3.pt").exists()


def test_a_folder_of_a_run_that_never_began_goes(tmp_path):
    with lock.Lock() as held:
        folders.make(tmp_path / "a b" / "c", held)
        folders.remove(tmp_path / "a b" / "c", held)
    assert list((tmp_path / "a b").iterdir()) == []


def test_entering_changes_nothing_where_there_is_nothing(tmp_path):
    place = tmp_path / "x"
    with lock.Lock() as held:
        assert folders.enter(place, Asked(words()), held) == (Step.BEGIN, None)
        assert not place.exists()
        (place / "photos").mkdir(parents=True)
        with pytest.raises(UsageError, match="holds 'photos'"):
            folders.enter(place, Asked(words()), held)
        assert os.listdir(place) == ["photos"]
