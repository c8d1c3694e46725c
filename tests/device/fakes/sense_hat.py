"""Stands for the Sense HAT: remembers what its 64 lamps showed."""

from __future__ import annotations

from typing import List

shown: List[List[List[int]]] = []


class SenseHat:
    def set_pixels(self, pixels: List[List[int]]) -> None:
        if len(pixels) != 64 or not all(len(each) == 3 and all(0 <= part <= 255 for part in each) for each in pixels):
            raise ValueError("Pixel lists must have 64 elements of R, G, B, 0 to 255")
        shown.append([list(each) for each in pixels])

    def clear(self) -> None:
        shown.append([[0, 0, 0]] * 64)
