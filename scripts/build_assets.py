"""Write the USD files under assets/data from the tables of numbers.

./isaaclab.sh -p scripts/build_assets.py
"""

from alice.assets import DATA_DIR
from alice.assets.objects_builder import build_dish, build_nest
from alice.assets.xarm1s_builder import build

if __name__ == "__main__":
    DATA_DIR.mkdir(exist_ok=True)
    for path in (
        build(DATA_DIR / "xarm1s.usda"),
        build_dish(DATA_DIR / "dish.usda"),
        build_nest(DATA_DIR / "nest.usda"),
    ):
        print(path)
