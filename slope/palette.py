"""Colours by what they mean. Each theme has its own for every meaning, so that a picture can be recoloured by them."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Palette:
    """Text has a contrast of at least 4.5 to 1 with what is behind it (WCAG 2, level AA).

    Forward and backward are told apart with every kind of colour blindness; local derivatives have no hue, and are
    written in italics. The dashboard has the same colours.
    """

    background: str
    ink: str
    faint: str
    line: str
    forward: str
    backward: str
    local: str
    exact: str
    """The exact solution beside the run."""
    learns: str
    """Behind a parameter that learns."""
    learns_border: str


THEMES = {
    "light": Palette(
        background="#fffffe",
        ink="#1b1f24",
        faint="#5c6571",
        line="#8a929c",
        forward="#0b57a4",
        backward="#a8430a",
        local="#5b6470",
        exact="#007a5e",
        learns="#fff3d1",
        learns_border="#8a6100",
    ),
    "dark": Palette(
        background="#14181d",
        ink="#e8eaed",
        faint="#a3acb6",
        line="#7d8792",
        forward="#7cb7ff",
        backward="#ffa657",
        local="#b4bcc6",
        exact="#4fd1a5",
        learns="#3a2f12",
        learns_border="#e0b64a",
    ),
}


def recoloured(source: str, target: str) -> str:
    """A style sheet that turns a picture in one theme into another: rules outweigh the attributes of a drawing."""
    pairs = zip(asdict(THEMES[source]).values(), asdict(THEMES[target]).values(), strict=True)
    return "".join(f'[fill="{old}"]{{fill:{new}}}[stroke="{old}"]{{stroke:{new}}}' for old, new in pairs)
