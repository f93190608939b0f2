"""USD primitives with a colour and, where they collide, a friction: what every builder of this folder writes with."""

from __future__ import annotations

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade

from . import look

Vector = tuple[float, float, float]


def new_stage(root: str, note: str) -> Usd.Stage:
    """Return an in-memory stage in metres, kilograms and z-up whose default prim is ``root``."""
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, root).GetPrim())
    stage.GetRootLayer().documentation = note
    return stage


def add_box(stage: Usd.Stage, path: str, size: Vector, centre: Vector, rotation: Gf.Quatf | None = None) -> Usd.Prim:
    """Add a box of edge lengths ``size`` [m] at ``centre`` [m], turned by ``rotation``."""
    shape = UsdGeom.Cube.Define(stage, path)
    shape.CreateSizeAttr(1.0)
    shape.AddTranslateOp().Set(Gf.Vec3d(*centre))
    if rotation is not None:
        shape.AddOrientOp().Set(rotation)
    shape.AddScaleOp().Set(Gf.Vec3f(*size))
    return shape.GetPrim()


def add_cylinder(stage: Usd.Stage, path: str, radius: float, height: float, centre: Vector, axis: str) -> Usd.Prim:
    """Add a cylinder along ``axis`` (``X``, ``Y`` or ``Z``), lengths in m."""
    shape = UsdGeom.Cylinder.Define(stage, path)
    shape.CreateAxisAttr(axis)
    shape.CreateRadiusAttr(radius)
    shape.CreateHeightAttr(height)
    shape.AddTranslateOp().Set(Gf.Vec3d(*centre))
    return shape.GetPrim()


def paint(prim: Usd.Prim, colour: Vector) -> None:
    """Give ``prim`` a preview material of a linear RGB colour."""
    stage = prim.GetStage()
    UsdGeom.Gprim(prim).CreateDisplayColorAttr([Gf.Vec3f(*colour)])
    path = f"{stage.GetDefaultPrim().GetPath()}/{look(colour)}"
    material = UsdShade.Material.Get(stage, path)
    if not material:
        material = UsdShade.Material.Define(stage, path)
        shader = UsdShade.Shader.Define(stage, f"{path}/surface")
        shader.CreateIdAttr("UsdPreviewSurface")
        shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*colour))
        shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(0.5)
        material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    UsdShade.MaterialBindingAPI.Apply(prim).Bind(material)


def make_collider(prim: Usd.Prim, friction: float) -> None:
    """Make ``prim`` an undrawn collider with equal static and dynamic friction and no bounce.

    It is marked as a guide: kit-less renderers draw no collider of a body that has anything else to draw. Every
    collider gets a material of its own: without one PhysX assumes 0.5 and Newton 1.0.
    """
    stage = prim.GetStage()
    UsdGeom.Imageable(prim).CreatePurposeAttr(UsdGeom.Tokens.guide)
    UsdPhysics.CollisionAPI.Apply(prim)
    path = f"{stage.GetDefaultPrim().GetPath()}/looks/friction_{round(100 * friction):03d}"
    material = UsdShade.Material.Get(stage, path)
    if not material:
        material = UsdShade.Material.Define(stage, path)
        api = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
        api.CreateStaticFrictionAttr(friction)
        api.CreateDynamicFrictionAttr(friction)
        api.CreateRestitutionAttr(0.0)
    binding = UsdShade.MaterialBindingAPI.Apply(prim)
    binding.Bind(material, UsdShade.Tokens.weakerThanDescendants, "physics")
