"""Work-arounds for Isaac Lab 3.0.0, each guarded by the condition it is for. Nothing else patches anything.

:func:`install` runs when the tasks are registered, for every command of Isaac Lab on the machine: it loads nothing and
leaves word what to do once the module that a work-around is for is imported, by whomever.
"""

from __future__ import annotations

import logging
from functools import cache, partial, wraps
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise

from alice.system import affinity, after_import, surroundings

logger = logging.getLogger(__name__)

ISAAC_LAB = ("3.0.0", "28.0.0")
"""The release that is meant, as its wheel and its source checkout call themselves."""


@cache
def install() -> None:
    """Leave word where the work-arounds belong; a second call does nothing."""
    surroundings.settle()
    after_import.call("warp", keep_warp_quiet)
    after_import.call("isaaclab.app.sim_launcher", let_configurations_choose_the_device)
    after_import.call("isaaclab_ov.physics.ovphysx_manager", prepare_ovphysx)
    after_import.call("rsl_rl.utils.logger", let_code_state_be_stored)


class _WithoutDeprecations:
    """A logger of Warp that drops what is deprecated and passes everything else on."""

    def __init__(self, stock):
        self._stock = stock
        self.debug, self.info, self.error = stock.debug, stock.info, stock.error

    def warning(self, message: str, category=None, stacklevel: int = 1) -> None:
        """Pass a warning on, unless it is about code that is none of the user's."""
        if not (category and issubclass(category, DeprecationWarning)):
            self._stock.warning(message, category, stacklevel + 1)


def keep_warp_quiet(warp) -> None:
    """Let Warp tell of warnings and errors alone: not of its version, its devices and every kernel it loads.

    Nor of deprecations in code of others: ``isaaclab.utils.warp`` 3.0.0 sets ``warp.config.quiet`` while
    it is imported, of which Warp would print a line once a process, beside that of a user's mistake.
    """
    warp.config.log_level = warp.LOG_WARNING
    if not isinstance(warp.get_logger(), _WithoutDeprecations):
        warp.set_logger(_WithoutDeprecations(warp.get_logger()))


def let_configurations_choose_the_device(launcher) -> bool:
    """Let a task's configuration choose the device where PyTorch can use no GPU and ``--device`` is not given.

    The default of Isaac Lab 3.0.0 is ``cuda:0`` on every machine and overwrites what a configuration says. With None,
    its own word for "as the configuration says", tasks of others stay as they are: their configurations say ``cuda:0``.

    Args:
        launcher: Module ``isaaclab.app.sim_launcher``.

    Returns:
        Whether the default was changed: False where it already is.
    """
    stock = launcher.add_launcher_args
    if getattr(stock, "lets_configurations_choose", False):
        return False

    @wraps(stock)
    def add_launcher_args(parser) -> None:
        from alice.system import device

        stock(parser)
        if parser.get_default("device") == "cuda:0" and device.preferred() == "cpu":
            device.tell()
            parser.set_defaults(device=None)

    add_launcher_args.lets_configurations_choose = True
    launcher.add_launcher_args = add_launcher_args
    return True


def let_code_state_be_stored(module) -> bool:
    """Let RSL-RL store the state of the code whatever bytes it is of, and let no failure of git end a training.

    RSL-RL 5.5.1 writes the difference of every work tree around it as UTF-8 and strictly, when the environment stands
    already: one byte of another encoding in it, which git hands on as it is, ends the training.

    Args:
        module: ``rsl_rl.utils.logger``.

    Returns:
        Whether anything was changed: False where it already is.
    """
    if "open" in vars(module):
        return False
    import git

    module.open = partial(open, errors="surrogateescape")  # which is how GitPython reads those bytes
    stock = module.Logger._store_code_state

    @wraps(stock)
    def store(self) -> list[str]:
        try:
            return stock(self)
        except (git.GitError, OSError) as error:
            logger.warning("the state of the code is not stored with this run: %s", " ".join(str(error).split())[:300])
            return []

    module.Logger._store_code_state = store
    return True


def prepare_ovphysx(manager) -> None:
    """Do what the ovphysx backend needs: part of it now, the rest when it starts, which is when it loads its library.

    Args:
        manager: Module ``isaaclab_ov.physics.ovphysx_manager``.
    """
    allow_pinned_arrays_without_cuda()
    let_ovphysx_run_whole_control_steps(manager)
    stock = manager.OvPhysxBackend.__init__
    if getattr(stock, "prepares_ovphysx", False):
        return

    @wraps(stock)
    def init(self, *args, **options) -> None:
        match_ovphysx_threads_to_cores()
        let_ovphysx_service_threads_sleep()
        stock(self, *args, **options)

    init.prepares_ovphysx = True
    manager.OvPhysxBackend.__init__ = init


def allow_pinned_arrays_without_cuda() -> bool:
    """Let Isaac Lab's ovphysx backend allocate its pinned arrays on a machine without CUDA.

    ``isaaclab_ov`` 3.0.0 asks Warp for page-locked host memory, which only a CUDA driver can give; without one Warp
    raises ``Failed to allocate N bytes on device 'cpu'``. Ordinary host memory does the same job there.

    Returns:
        Whether the allocator was replaced: False where CUDA works.
    """
    import warp as wp

    if wp.is_cuda_available():
        return False
    cpu = wp.get_device("cpu")
    cpu.pinned_allocator = cpu.default_allocator
    return True


def let_ovphysx_run_whole_control_steps(manager) -> bool:
    """Let ovphysx run all physics steps of one control step in one call.

    Isaac Lab 3.0.0 writes unchanged joint targets before and refreshes every asset after *each* of six physics steps,
    which takes longer than the physics. It has a hook for backends that run the loop themselves
    (``PhysicsManager.handles_decimation``) and ovphysx has ``step_n_sync``; this joins the two. Only physics
    configurations with ``runs_whole_control_steps = True`` are touched.

    Args:
        manager: Module ``isaaclab_ov.physics.ovphysx_manager``.

    Returns:
        Whether the hook was installed: False where it already is, or with another Isaac Lab.
    """
    if version("isaaclab") not in ISAAC_LAB:
        logger.warning("isaaclab %s: ovphysx steps are not joined (known for 3.0.0)", version("isaaclab"))
        return False
    OvPhysxManager = manager.OvPhysxManager
    if "handles_decimation" in vars(OvPhysxManager):
        return False
    from isaaclab.physics import PhysicsManager

    stock_initialize, stock_step = OvPhysxManager.initialize.__func__, OvPhysxManager.step.__func__

    def initialize(cls, sim_context) -> None:
        cls._alice_decimation = 1  # only environments tell theirs: without one, single steps, whatever ran before
        stock_initialize(cls, sim_context)

    def set_decimation(cls, decimation: int) -> None:
        cls._alice_decimation = decimation

    def handles_decimation(cls) -> bool:
        return getattr(PhysicsManager._cfg, "runs_whole_control_steps", False)

    def step(cls) -> None:
        if cls.backend is None or cls.backend.physx is None or not cls.handles_decimation():
            return stock_step(cls)
        dt = cls.get_physics_dt()
        cls.backend.physx.step_n_sync(cls._alice_decimation, dt)
        cls.kinematics_dirty = True
        cls.update_kinematics()
        cls._scene_data_backend.transforms_timestamp += 1
        cls._scene_data_backend.geometry_timestamp += 1
        PhysicsManager._sim_time += dt * cls._alice_decimation

    OvPhysxManager.initialize = classmethod(initialize)
    OvPhysxManager.set_decimation = classmethod(set_decimation)
    OvPhysxManager.handles_decimation = classmethod(handles_decimation)
    OvPhysxManager.step = classmethod(step)
    return True


def command_positions_only(articulation) -> bool:
    """Let ovphysx send an articulation its position targets and nothing else.

    ``isaaclab_ov`` 3.0.0 also sends velocity and effort targets at every control step, each as long a copy as the
    positions, although both stay zero for an arm that is commanded by position alone.

    Args:
        articulation: Articulation of any backend; only ovphysx's has the switches.

    Returns:
        Whether anything was switched off.
    """
    switches = ("_can_write_vel_target", "_can_write_effort")
    if not type(articulation).__module__.startswith("isaaclab_ov.") or not all(
        hasattr(articulation, name) for name in switches
    ):
        return False
    for name in switches:
        setattr(articulation, name, False)
    return True


def match_ovphysx_threads_to_cores() -> int | None:
    """Let ovphysx use as many threads as there are cores where these are fewer than the eight it is hard-wired to.

    ``isaaclab_ov`` 3.0.0 passes ``num_threads=8``. On two cores these spin on each other's locks: profiled, more than
    half of the time went to the scheduler.

    Returns:
        The number of threads, or None where nothing was changed.
    """
    try:
        import ovphysx
    except ImportError:
        return None
    cores = len(affinity.cores())
    stock = ovphysx.PhysXConfig
    if cores >= 8 or getattr(stock, "is_matched_to_cores", False):
        return None

    def config(*args, num_threads: int = 8, **options):
        return stock(*args, num_threads=min(num_threads, cores), **options)

    config.is_matched_to_cores = True
    ovphysx.PhysXConfig = config
    return cores


TIMER_SLACK = 10_000_000
"""By how much Linux may delay the sleeps of ovphysx's service threads [ns]."""


def let_ovphysx_service_threads_sleep() -> bool:
    """Let the service threads that ovphysx starts sleep between two looks for work, on Linux.

    One of ovphysx 0.6.4 (it serves cooked collision shapes, ``carb.ujitsoagent``) looks for work ten thousand times a
    second for as long as a simulation is open; on a virtual machine with two cores that took a quarter of the speed.
    ``/physics/cooking/ujitsoCollisionCooking`` does not stop it. Linux may delay the sleeps of a thread by its *timer
    slack*, and a thread inherits that of the one that starts it: a stage is attached with more of it.

    Returns:
        Whether ovphysx was changed: False on other systems, without ovphysx, or where it already is.
    """
    import ctypes
    import sys

    try:
        import ovphysx
    except ImportError:
        return False
    prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform.startswith("linux") else None
    stock = getattr(ovphysx.PhysX, "attach_ovstage", None)
    if prctl is None or stock is None or getattr(stock, "lets_threads_sleep", False):
        return False

    @wraps(stock)
    def attach(self, *args, **options):
        set_slack, get_slack = 29, 30  # of linux/prctl.h
        before = prctl(get_slack, 0, 0, 0, 0)
        prctl(set_slack, ctypes.c_ulong(TIMER_SLACK), 0, 0, 0)
        try:
            return stock(self, *args, **options)
        finally:
            prctl(set_slack, ctypes.c_ulong(before), 0, 0, 0)

    attach.lets_threads_sleep = True
    ovphysx.PhysX.attach_ovstage = attach
    return True


def tell_mounts_apart(camera) -> bool:
    """Let every camera of a sensor follow the body of its own environment on ovphysx.

    ``isaaclab_ov`` 3.0.0 lets all of them follow the body of environment 0 where there are as many environments as
    kinds of environments, for example one for each size of ball.

    Args:
        camera: Camera sensor of a running environment, mounted on a body.

    Returns:
        Whether anything was corrected.
    """
    import warp as wp

    view = camera._view
    binding = getattr(view, "_pose_binding", None)
    if not type(view).__module__.startswith("isaaclab_ov.") or binding is None:
        return False
    bodies = view._site_body.numpy()
    rows = binding.shape[0]
    if rows < 2 or len(bodies) != rows or len(set(bodies.tolist())) > 1:
        return False
    view._site_body = wp.array(list(range(rows)), dtype=wp.int32, device=view._device)
    return True


RENDER_FLAGS = "-ffast-math"
"""What Warp's compiler is told of the ray tracer; Newton asks for it (``enable_fast_math``), Warp passes it on to CUDA
only."""


def speed_up_rendering_without_cuda() -> int | None:
    """Let Newton's ray tracer use fast mathematics and all cores of a machine without CUDA.

    Newton 1.6.1 renders the cameras of all environments in one launch, and Warp runs a launch on the CPU on one core. A
    picture takes a millisecond, four fifths of a step of the camera task. Here the environments are dealt out to four
    launches for each core, so that a core that is done early finds more; the pictures are the same to the bit. Fast
    mathematics changes one value in some thousands by one.

    Returns:
        The number of threads, or None where nothing was changed: CUDA, another Newton.
    """
    from concurrent.futures import ThreadPoolExecutor

    import warp as wp

    try:
        if version("newton") != "1.6.1" or wp.is_cuda_available():
            return None
        from newton._src.sensors.warp_raytrace import render_context
    except (PackageNotFoundError, ImportError):
        return None
    if isinstance(render_context.wp, _SplitLaunches):
        return None
    cores = len(affinity.cores())
    render_context.wp = _SplitLaunches(wp, 4 * cores, ThreadPoolExecutor(cores))
    return cores


class _SplitLaunches:
    """Warp for one module: launches of the ray tracer are split by environment, everything else is passed on."""

    def __init__(self, warp, parts: int, pool):
        self._warp, self._parts, self._pool = warp, parts, pool

    def __getattr__(self, name: str):
        return getattr(self._warp, name)

    def launch(self, kernel, dim, inputs, device=None, block_dim: int = 64, **others) -> None:
        """Run a kernel; see Warp. The ray tracer's arguments are known by their names."""
        import torch

        places = {argument.label: place for place, argument in enumerate(kernel.adj.args)}
        if others or not {"world_count", "camera_transforms", "out_color"} <= places.keys():
            self._warp.launch(kernel, dim=dim, inputs=inputs, device=device, block_dim=block_dim, **others)
            return
        if kernel.module.options["fast_math"]:
            flags = self._warp.config.cpu_compiler_flags or "-march=native"
            kernel.module.options["cpu_compiler_flags"] = f"{flags} {RENDER_FLAGS}"
        worlds = inputs[places["world_count"]]
        borders = [worlds * part // self._parts for part in range(self._parts + 1)]

        def run(first: int, last: int) -> None:
            chosen = list(inputs)
            chosen[places["world_count"]] = last - first
            for name, place in places.items():
                array = inputs[place]
                if array is None:
                    continue
                if name == "camera_transforms":
                    chosen[place] = array[:, first:last]
                elif name.endswith("_group_roots"):  # one for each environment, then that of what they share
                    roots = self._warp.to_torch(array)
                    chosen[place] = self._warp.from_torch(torch.cat((roots[first:last], roots[-1:])))
                elif name.startswith("out_"):
                    each = array.shape[0] // worlds
                    chosen[place] = array[first * each : last * each]
            part = dim // worlds * (last - first)
            self._warp.launch(kernel, dim=part, inputs=chosen, device=device, block_dim=block_dim)

        spans = [(first, last) for first, last in pairwise(borders) if last > first]
        list(self._pool.map(lambda span: run(*span), spans))
