"""Colours of the screen: one set for most terminals, one for those with eight."""

from __future__ import annotations

from textual.theme import Theme

__all__ = ["FEW_COLOURS", "MANY_COLOURS"]

MANY_COLOURS = Theme(
    name="mm-trio",
    primary="#8fa3bf",
    background="#14181f",
    surface="#14181f",
    panel="#1b212b",
    foreground="#d5dae3",
    dark=True,
    variables={
        "mm-dim": "#76808f",
        "mm-title": "#9db4d6",
        "mm-ask": "#d98c86",
        "mm-bid": "#86bd97",
        "mm-alert": "#d8b26a",
        "mm-bad": "#e5726a",
        "mm-good": "#86bd97",
        "footer-background": "#1b212b",
        "footer-key-foreground": "#9db4d6",
        "footer-description-foreground": "#76808f",
    },
)


# Rich takes the nearest of a terminal's eight colours, which is grey for every shade above.
FEW_COLOURS = Theme(
    name="mm-trio-few-colours",
    primary="#00aaaa",
    background="#000000",
    surface="#000000",
    panel="#000000",
    foreground="#aaaaaa",
    dark=True,
    variables={
        "mm-dim": "#aaaaaa",
        "mm-title": "#00aaaa",
        "mm-ask": "#aa0000",
        "mm-bid": "#00aa00",
        "mm-alert": "#aa5500",
        "mm-bad": "#aa0000",
        "mm-good": "#00aa00",
        "footer-background": "#000000",
        "footer-key-foreground": "#00aaaa",
        "footer-description-foreground": "#aaaaaa",
    },
)
