"""Measure the wrist camera's lens and mount with a board on the table. Needs only `pip install .[deploy]`.

python scripts/calibrate_camera.py --arm so101 --print_board board.png
python scripts/calibrate_camera.py --arm so101 --port /dev/ttyACM0 --calibration my_arm.json --camera 0 \
--overlay seen.png
"""

from __future__ import annotations

import math
from dataclasses import replace

from PIL import Image

from alice import arms
from alice.cli import files, usage
from alice.deploy import calibration
from alice.deploy.bus.interface import BusError
from alice.deploy.calibrating import board as boards
from alice.deploy.calibrating import desk, looking, overlay
from alice.deploy.camera import DeviceCamera


def main(argv: list[str]) -> int:
    """Check the command line, and write the board, or the camera into the arm's file and a picture to look at."""
    parser = usage.DoorParser(__doc__, prog="calibrate_camera.py")
    add = parser.add_argument
    add("--arm", required=True, choices=list(arms.ARMS), help="the arm")
    add("--port", type=usage.word, help="serial port such as /dev/ttyACM0, or hid (the xArm's own board)")
    add("--protocol", choices=["lx", "lsc-hid", "lsc-serial", "sts"], help="what the port speaks; default: by the arm")
    measured = files.Source(".json", "make it with scripts/calibrate_arm.py")
    add("--calibration", type=measured, help="the arm's file; the camera is written into it")
    add("--camera", type=usage.seed, help="number of the camera")
    add("--board", type=usage.word, help="columns x rows x square in mm as you measure the print; default 8x6x24")
    add("--print_board", type=files.Target((".png",)), help="write the board, to be printed, and stop")
    add("--overlay", type=files.Target((".png",)), help="where the last picture goes, the model's edges drawn on it")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    arm = arms.named(args.arm)
    try:
        board = boards.board_of(args.board)
        if args.print_board is not None:
            board.write(args.print_board)
            print(f"{args.print_board}: print it without scaling; a square is {board.square * 1e3:g} mm: measure it")
            return 0
        missing = [name for name in ("port", "calibration", "camera") if getattr(args, name) is None]
        if missing:
            raise usage.UsageError(f"--{missing[0]} is missing, but for --print_board all of port, calibration, camera")
        return measure(arm, board, args)
    except (ValueError, BusError) as problem:
        raise usage.UsageError(str(problem)) from problem


def measure(arm: arms.Arm, board: boards.Board, args) -> int:
    """Take the pictures and write what they say."""
    made = calibration.read(args.calibration, arm)
    table = desk.of(arm, args.port, args.protocol, None)
    eye = DeviceCamera(args.camera, table.clock)
    try:
        looked = looking.look(arm, made, table.bus, table.clock, table.person, eye, board)
    finally:
        eye.close()
        table.bus.close()
    found = looked.fit
    replace(made, camera=found.camera).write(args.calibration)
    turn = f"turned within {math.degrees(2 * found.turn_sd):.2f}°"
    print(f"{args.calibration}: camera within {2e3 * found.place_sd:.1f} mm, {turn}, {found.residual:.2f} pixels")
    if args.overlay is not None:
        drawn = overlay.draw(looked.picture, arm, found.camera, looked.joint_pos, (board, found.board), made.lift)
        Image.fromarray(drawn).save(args.overlay)
        print(f"{args.overlay}: look whether pads and board are where they are drawn")
    return 0


if __name__ == "__main__":
    usage.run(main)
