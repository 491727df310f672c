"""Which sign is it? A use case for tests alone: pictures in colour, in a folder by class.

path      "circle/00017.jpg"
picture   [118, 97, 140, 121, ... 768 values of 0 to 255: red, green and blue of each of 16 x 16 pixels, row by row]
label     "circle"
"""

from typing import Any

from portfolio.contract import Classes, Images, Pictures


class Signs(Images):
    source = Pictures("data/signs/pictures", height=16, width=16, start="2026-01-05")
    target = Classes("label", ["circle", "square", "triangle"])
    inputs = [source.image]

    def candidates(self) -> dict[str, Any]:
        return {"random_forest": super().candidates()["random_forest"]}
