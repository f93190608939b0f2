"""Pictures of a board on the table as a wrist camera takes them: warped by NumPy and OpenCV, blurred, with noise."""

import functools
import math

import cv2
import numpy as np

from alice.deploy.calibrating import frames, lens, tasks
from alice.deploy.calibration import CameraCalibration

SIZE = (640, 480)
FLAT = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""Board on the table: its x to the right of the arm, its y towards the base, its z into the table; columns are axes."""


def hidden_camera(arm, generator):
    """Return a camera that is off from the arm's table: lens, distortion and mount."""
    table = arm.camera
    focal = 0.5 * SIZE[0] / math.tan(0.5 * table.horizontal_fov) * generator.uniform(0.93, 1.07)
    turn = frames.of_quaternion(table.rotation) @ frames.matrix(generator.normal(0.0, math.radians(3.0), 3))
    place = np.array(table.position) + generator.normal(0.0, 0.005, 3)
    bend = (generator.uniform(-0.10, 0.02), generator.uniform(0.0, 0.02), *generator.normal(0.0, 5e-4, 2), 0.0)
    centre = np.array(SIZE) / 2 - 0.5 + generator.normal(0.0, 8.0, 2)
    return CameraCalibration(
        *SIZE,
        focal=(focal, focal * generator.uniform(0.997, 1.003)),
        centre=tuple(centre),
        distortion=bend,
        position=tuple(place),
        rotation=frames.to_quaternion(turn),
    )


def board_place(arm, board):
    """Return rotation and origin of a board in front of an arm, its middle where the workspace has its own."""
    width, height = board.size
    middle = np.array([0.9 * sum(arm.chain.lengths[:2]), 0.0, 0.0])
    return FLAT, middle - FLAT @ np.array([width / 2, height / 2, 0.0])


def camera_pose(arm, camera, joint_pos):
    """Return the camera's rotation and place in the base frame."""
    turn, place = frames.hand_pose(arm, joint_pos)
    mount = frames.of_quaternion(camera.rotation)
    return turn @ mount, turn @ np.array(camera.position) + place


def lens_of(camera):
    return np.array([*camera.focal, *camera.centre, *camera.distortion])


def poses(arm, camera, board, generator, count=15, tries=4000):
    """Return arm joints that let a camera see most of a board, as unlike each other as can be, (count, A)."""
    low, high = np.array(arm.lower)[arm.arm_columns] + 0.1, np.array(arm.upper)[arm.arm_columns] - 0.1
    turn, origin = board_place(arm, board)
    corners = board.corners @ turn.T + origin
    found, kept = [], []
    while len(found) < 60 and tries > 0:
        tries -= 1
        point = [*(corners[:, :2].mean(axis=0) + generator.uniform(-0.06, 0.06, 2)), generator.uniform(0.03, 0.12)]
        pitch = generator.uniform(math.radians(125), math.radians(190))
        try:
            joints = tasks.pose_at(arm, np.array(point), pitch)
        except ValueError:
            continue
        joints[-1] += generator.uniform(-0.7, 0.7)
        joints = np.clip(joints, low, high)
        axes, place = camera_pose(arm, camera, joints)
        seen = (corners - place) @ axes
        if (seen[:, 2] < 0.05).any() or place[2] < 0.05 or axes[2, 2] > -0.35:
            continue
        spots = lens.project(lens_of(camera), seen)
        if ((spots > 5).all(axis=1) & (spots < np.array(SIZE) - 6).all(axis=1)).sum() >= 14:
            found.append((joints, axes))
    kept = [found.pop(0)]
    while len(kept) < count:
        nearest = [min(frames.angle_between(axes, other) for _, other in kept) for _, axes in found]
        kept.append(found.pop(int(np.argmax(nearest))))
    return np.array([joints for joints, _ in kept])


@functools.lru_cache(maxsize=2)
def rays_of(camera):
    """Return where each pixel looks, (P, 3), forward 1: distortion by iteration."""
    columns, rows = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    bent = (np.stack((columns, rows), -1).reshape(-1, 2) - camera.centre) / camera.focal
    k1, k2, p1, p2, _ = camera.distortion
    straight = bent.copy()
    for _ in range(25):
        x, y = straight.T
        square = x * x + y * y
        aside = np.stack((2 * p1 * x * y + p2 * (square + 2 * x * x), p1 * (square + 2 * y * y) + 2 * p2 * x * y), -1)
        straight = (bent - aside) / (1.0 + square * (k1 + square * k2))[:, None]
    return np.concatenate((straight, np.ones((len(straight), 1))), axis=1)


def picture(arm, camera, board, joint_pos, generator, blur=0.8, noise=4.0):
    """Return what a camera sees of a board on a grey table, (H, W, 3) uint8."""
    per_square = 60
    texture = np.pad(board.picture(per_square), per_square, constant_values=255)
    turn, origin = board_place(arm, board)
    axes, place = camera_pose(arm, camera, joint_pos)
    rays = rays_of(camera) @ axes.T
    distance = -place[2] / np.where(rays[:, 2] < -1e-6, rays[:, 2], -1e-6)
    on_board = (rays * distance[:, None] + place - origin) @ turn
    spots = (on_board[:, :2] / board.square + 1.0) * per_square - 0.5
    shape = (SIZE[1], SIZE[0])
    maps = [spots[:, axis].reshape(shape).astype(np.float32) for axis in (0, 1)]
    flat = cv2.remap(texture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=150)
    flat[np.where(rays[:, 2].reshape(shape) > -1e-6)] = 90
    light = np.linspace(0.75, 1.0, SIZE[0])[None, :]
    smooth = cv2.GaussianBlur(flat * light, (0, 0), blur)
    noisy = np.clip(smooth + noise * generator.standard_normal(smooth.shape), 0, 255).astype(np.uint8)
    return np.repeat(noisy[..., None], 3, axis=-1)
