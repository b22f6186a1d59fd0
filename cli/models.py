"""`molmeta models`: what is shipped."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import render
from .options import Json


def models(
    card: Annotated[str | None, typer.Option(metavar="NAME", help="Print the card of this model.")] = None,
    json: Json = False,
) -> None:
    """List the shipped models, or print the card of one: data, licence, protocol, numbers, limits."""
    from molmeta.checkpoint import find_checkpoint, shipped

    if card is not None:
        folder = find_checkpoint(card)
        text = (folder / "card.md").read_text(encoding="utf-8") if (folder / "card.md").is_file() else ""
        if json:
            render.json_object({"name": folder.name, "card": text})
        else:
            render.page(text or f"{folder.name} has no card.md")
        return
    found = [_describe(folder) for folder in shipped().values()]
    if json:
        render.json_object({"models": found})
        return
    if not found:
        render.line("No model is shipped; molmeta train makes one, and --model names its folder.")
        return
    for model in found:
        render.line(f"{model['name']}  {model['bytes'] / 1e6:.1f} MB  heads: {', '.join(model['heads'])}")
        for title, part in (("trained on", model["info"]), ("measured", model["metrics"])):
            for name, value in _flat(part):
                render.line(f"  {title}  {name}: {render.text(value)}")
    render.line("Next: molmeta models --card NAME for data, licence, protocol and limits of a model")


def _describe(folder: Any) -> dict[str, Any]:
    import json

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    metrics = folder / "metrics.json"
    return {
        "name": folder.name,
        "bytes": sum(file.stat().st_size for file in folder.glob("*.safetensors")),
        "heads": list(config["heads"]),
        "info": config.get("info", {}),
        "metrics": json.loads(metrics.read_text(encoding="utf-8")) if metrics.is_file() else {},
    }


def _flat(content: dict[str, Any], prefix: str = "") -> list[tuple[str, str | float]]:
    """Leaves of nested mappings, each with the path of names that leads to it."""
    out: list[tuple[str, str | float]] = []
    for name, value in content.items():
        if isinstance(value, dict):
            out += _flat(value, f"{prefix}{name} ")
        elif isinstance(value, str | int | float):
            out.append((f"{prefix}{name}", value))
    return out
