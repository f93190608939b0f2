"""Play a policy: tell how each episode ends, or film it without a window.

./isaaclab.sh -p scripts/play.py --task Alice-Ball-Transfer --checkpoint released
./isaaclab.sh -p scripts/play.py --task Alice-Ball-Transfer --checkpoint latest --video transfer.mp4 --episodes 5
"""

from __future__ import annotations

import argparse
import contextlib
import copy
from pathlib import Path

from alice.cli import files, terminal, usage, viewers
from alice.runs import launch, world

MAX_FILMED = 16
SIGHT_ENVS, SIGHT_STEPS = 16, 20
"""Environments and control steps that are played for a picture of what the policy sees, where nothing else is said."""


def main(argv: list[str]) -> int:
    """Check the command line, play, and write what was asked for."""
    parser = usage.DoorParser(__doc__, "presets=hobby_servo physics=newton_mjwarp", prog="play.py")
    launch.add_flags(parser)
    world.add_flag(parser)
    parser.add_argument("--steps", type=usage.positive, help="control steps to play")
    parser.add_argument("--episodes", type=usage.positive, help="episodes to see; default 5 without --steps")
    film, png = files.Target((".mp4", ".gif")), files.Target((".png",))
    parser.add_argument("--video", type=film, nargs="?", const=Path("play.mp4"), help="film to write: .mp4 or .gif")
    parser.add_argument("--picture", type=png, help="picture of a lifted ball to write: .png")
    parser.add_argument("--sight", type=png, help="what a policy with a camera sees, at start and later: .png")
    parser.add_argument("--viz", choices=("newton_gl", "viser", "rerun"), help="open this visualizer of Isaac Lab")
    args, words = usage.parse(parser, argv)
    if args.viz:
        viewers.require(args.viz)
    if (args.video or args.picture) and (args.num_envs or 1) > MAX_FILMED:
        raise usage.UsageError(f"--num_envs {args.num_envs}: at most {MAX_FILMED} environments fit into a film")
    job = launch.prepare(args, words, play_mode=True, needs_checkpoint=True)
    if args.sight and "image" not in job.actor_groups:
        raise usage.UsageError(f"--sight: the policy of {job.task} sees no pictures")
    # A film shows one arm for some episodes and a sight many arms for a moment: two plays unless told otherwise.
    if args.video or args.picture or not args.sight:
        show(job, args.num_envs or 1, args.steps, args.episodes or (None if args.steps else 5), args)
    if args.sight:
        look(job, args.num_envs or SIGHT_ENVS, max(args.steps or 0, SIGHT_STEPS), args.sight)
    return 0


def show(job: launch.Job, num_envs: int, steps: int | None, episodes: int | None, args: argparse.Namespace) -> None:
    """Play, tell how each episode ends, and film.

    Args:
        job: Checked command line.
        num_envs: Number of environments.
        steps: Control steps to play; None for no limit.
        episodes: Episodes to see; None for no limit.
        args: Where film and picture go.
    """
    with terminal.doing("loading Isaac Lab"):
        from alice.evaluation.audit import policy
        from alice.evaluation.pictures import playback
        from alice.evaluation.pictures import video as filming

    job = copy.deepcopy(job)
    job.env_cfg.scene.num_envs = num_envs
    if args.video or args.picture:
        filming.add_camera(job.env_cfg)
    with policy.open_environment(job, args.viz) as env, contextlib.ExitStack() as opened:
        network = policy.load_policy(env, job)
        film = None
        if args.video or args.picture:
            film = opened.enter_context(filming.Film(env.unwrapped, args.video))
        bar = opened.enter_context(terminal.bar(total=steps or episodes, unit="step" if steps else "episode"))
        for step, ended in enumerate(playback.play(env, network, steps, episodes), 1):
            if film:
                film.shoot(ended)
            for end in ended:
                terminal.say(f"environment {end.env}: {end.outcome} after {end.seconds:.1f} s")
            bar.set_postfix_str(f"{step} steps", refresh=False)
            bar.update(1 if steps else len(ended))
        if args.picture:
            film.save_picture(args.picture)
    for path in filter(None, (args.video, args.picture)):
        print(f"written: {path}")


def look(job: launch.Job, num_envs: int, steps: int, path: Path) -> None:
    """Play and write a picture of what the policies see.

    Args:
        job: Checked command line.
        num_envs: Number of environments.
        steps: Control steps to play.
        path: The picture.
    """
    from alice.evaluation.audit import policy
    from alice.evaluation.pictures import playback
    from alice.evaluation.pictures import video as filming

    job = copy.deepcopy(job)
    job.env_cfg.scene.num_envs = num_envs
    with policy.open_environment(job) as env, terminal.bar(total=steps, unit="step") as bar:
        network = policy.load_policy(env, job)
        sight = filming.Sight(env.unwrapped)
        for _ in playback.play(env, network, steps):
            sight.note()
            bar.update()
    sight.save(path)
    print(f"written: {path}")


if __name__ == "__main__":
    usage.run(main)
