"""SVG as it may stand inside a page: no ids, no addresses, no colours of its own.

matplotlib writes a document of its own, with a document type, namespaces, metadata, ids and marks that are used by
reference. Several of them in one page would share their ids, and some readers take a namespace for an address.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from xml.etree import ElementTree

__all__ = ["Palette", "clean_svg", "make_printable"]

REPLACEMENT = "\ufffd"
# The colour that matplotlib draws with, and the variable of the page that replaces it.
Palette = Mapping[str, str]
_DROPPED = frozenset({"metadata", "defs", "style", "clipPath"})
_KEPT = ("d", "x", "y", "transform", "points")
# The page has the font, and a stroke's end shows at no size of a picture.
_DROPPED_STYLES = frozenset({"font", "font-family", "stroke-miterlimit"})
_HREF = "{http://www.w3.org/1999/xlink}href"
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")


def make_printable(text: str) -> str:
    """Replace what cannot be printed, or turns the direction of writing, by a sign of its own."""
    return "".join(char if char.isprintable() else REPLACEMENT for char in text)


def clean_svg(text: str, *, label: str, palette: Palette) -> str:
    """Clean what matplotlib drew; `label` says what the picture shows."""
    root = ElementTree.fromstring(text)
    marks = {node.get("id", ""): node for defs in root.iter() if _name(defs) == "defs" for node in defs}
    inner = "".join(_write(child, marks, palette) for child in root)
    view = root.get("viewBox", "")
    return f'<svg viewBox="{view}" role="img" aria-label="{html.escape(make_printable(label))}">{inner}</svg>'


def _name(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def _write(node: ElementTree.Element, marks: Mapping[str, ElementTree.Element], palette: Palette) -> str:
    name = _name(node)
    if name in _DROPPED:
        return ""
    if name == "use":
        return _place_mark(node, marks, palette)
    inner = "".join(_write(child, marks, palette) for child in node)
    if name == "g":
        # Groups carry nothing but ids.
        return inner
    words = html.escape((node.text or "").strip(), quote=False)
    if not words and name == "text":
        return ""
    return f"<{name}{_write_attributes(node, palette)}>{words}{inner}</{name}>"


def _place_mark(use: ElementTree.Element, marks: Mapping[str, ElementTree.Element], palette: Palette) -> str:
    mark = marks[use.get(_HREF, "").removeprefix("#")]
    at = f"translate({_shorten(use.get('x', '0'))} {_shorten(use.get('y', '0'))})"
    placed = ElementTree.Element("path", {"d": mark.get("d", ""), "transform": at, "style": use.get("style", "")})
    return _write(placed, marks, palette)


def _write_attributes(node: ElementTree.Element, palette: Palette) -> str:
    values = {name: _shorten(" ".join(node.get(name, "").split())) for name in _KEPT if node.get(name)}
    if values.get("transform", "").startswith("rotate(-0 "):
        del values["transform"]
    if style := _translate(node.get("style", ""), palette):
        values["style"] = style
    return "".join(f' {name}="{html.escape(value)}"' for name, value in values.items())


def _translate(style: str, palette: Palette) -> str:
    """Replace the colours by variables, so that the page decides on light and dark."""
    rules = [rule.partition(":") for rule in style.split(";") if ":" in rule]
    kept = [(name.strip(), value.strip()) for name, _, value in rules if name.strip() not in _DROPPED_STYLES]
    return ";".join(f"{name}:{palette.get(value.lower(), value)}" for name, value in kept)


def _shorten(value: str) -> str:
    """Cut coordinates to a tenth of a pixel."""
    return _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), value)
