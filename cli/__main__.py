"""`python -m molmeta.cli`, for where the `molmeta` script is not on the path."""

from .app import app

app(prog_name="molmeta")
