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
        text = (
            (folder / "card.md").read_text(encoding="utf-8", errors="replace")
            if (folder / "card.md").is_file()
            else ""
        )
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
        head = model["heads"][0]
        validation = model["metrics"].get("validation", {}).get(head, {})
        for title, part in (("training", model["info"]), (f"validation of {head}", validation)):
            if part:
                render.line(f"  {title}: {', '.join(f'{k} {render.text(v)}' for k, v in part.items())}")
    render.line("Next: molmeta models --card NAME for data, licence and limits; --json for all numbers")


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
