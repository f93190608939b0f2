"""The Hiwonder xArm 1S as a robot of LeRobot (``--robot.type=xarm1s``)."""

from .config_xarm1s import XArm1SConfig
from .xarm1s import XArm1S

__all__ = ["XArm1S", "XArm1SConfig"]
