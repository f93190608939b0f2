"""What ``--robot.…`` says of an xArm 1S."""

from dataclasses import dataclass, field

from lerobot.cameras import CameraConfig
from lerobot.robots import RobotConfig


@RobotConfig.register_subclass("xarm1s")
@dataclass
class XArm1SConfig(RobotConfig):
    """An xArm 1S on a port."""

    port: str = "hid"
    """``hid`` for the arm's own board, or a serial port such as ``/dev/ttyUSB0``."""
    protocol: str | None = None
    """``lx``, ``lsc-hid`` or ``lsc-serial``; what the port suggests if nothing is given."""
    allow_unverified: bool = False
    """Whether a calibration is taken that no check against marks has passed."""
    disable_torque_on_disconnect: bool = True
    """Whether the arm goes limp at the end; it falls from where it is."""
    cameras: dict[str, CameraConfig] = field(default_factory=dict)
    """Cameras by name, such as ``wrist``."""
