"""Play a policy: tell how each episode ends, or film it without a window.

./isaaclab.sh -p scripts/play.py --task Alice-Ball-Transfer --checkpoint released
./isaaclab.sh -p scripts/play.py --task Alice-Ball-Transfer --checkpoint latest --video transfer.mp4 --episodes 5
"""

from __future__ import annotations

from pathlib import Path

from alice import launch, terminal, usage, viewers, world

MAX_FILMED = 16
SIGHT_STEPS = 20
"""Control steps that are played at least for a picture of what the policy sees."""


def main(argv: list[str]) -> int:
    """Check the command line, play, and write what was asked for."""
    parser = usage.DoorParser(prog="play.py", description="Play a policy.")
    launch.add_flags(parser)
    world.add_flag(parser)
    parser.add_argument("--steps", type=usage.positive, help="control steps to play")
    parser.add_argument("--episodes", type=usage.positive, help="episodes to see; default 5 without --steps")
    parser.add_argument("--video", metavar="FILE", nargs="?", const="play.mp4", help="film to write: .mp4 or .gif")
    parser.add_argument("--picture", metavar="FILE", help="picture of a lifted ball to write: .png")
    parser.add_argument("--sight", metavar="FILE", help="what a policy with a camera sees, at start and later: .png")
    parser.add_argument("--viz", choices=("newton_gl", "viser", "rerun"), help="open this visualizer of Isaac Lab")
    args, words = usage.parse(parser, argv)
    video = usage.require_writable(args.video, "--video", (".mp4", ".gif"))
    picture = usage.require_writable(args.picture, "--picture", (".png",))
    sight = usage.require_writable(args.sight, "--sight", (".png",))
    if args.viz:
        viewers.require(args.viz)
    args.num_envs = args.num_envs or (16 if sight else 1)
    if (video or picture) and args.num_envs > MAX_FILMED:
        raise usage.UsageError(f"--num_envs {args.num_envs}: at most {MAX_FILMED} environments fit into a film")
    job = launch.prepare(args, words, play_mode=True, needs_checkpoint=True)
    if sight and "image" not in job.actor_groups:
        raise usage.UsageError(f"--sight: the policy of {job.task} sees no pictures")
    if sight:
        args.steps = max(args.steps or 0, SIGHT_STEPS)
    show(job, args.steps, args.episodes or (None if args.steps else 5), video, picture, sight, args.viz)
    return 0


def show(
    job: launch.Job, steps: int | None, episodes: int | None, video: Path, picture: Path, sight: Path, viz: str
) -> None:
    """Play and film; the arguments are those of the command line."""
    with terminal.doing("loading Isaac Lab"):
        from alice.evaluation import playback, policy
        from alice.evaluation import video as filming

    if video or picture:
        filming.add_camera(job.env_cfg)
    with policy.open_environment(job, viz) as env:
        network = policy.load_policy(env, job)
        film = filming.Film(env.unwrapped) if video or picture else None
        look = filming.Sight(env.unwrapped) if sight else None
        bar = terminal.bar(total=steps or episodes, unit="step" if steps else "episode")
        for step, ended in enumerate(playback.play(env, network, steps, episodes), 1):
            if look:
                look.note()
            if film:
                film.shoot(ended)
            for end in ended:
                terminal.say(f"environment {end.env}: {end.outcome} after {end.seconds:.1f} s")
            bar.set_postfix_str(f"{step} steps", refresh=False)
            bar.update(1 if steps else len(ended))
        bar.close()
    written = ((video, film and film.save), (picture, film and film.save_picture), (sight, look and look.save))
    for path, save in written:
        if path:
            save(path)
            print(f"written: {path}")


if __name__ == "__main__":
    usage.run(main)
