"""Errors that are the user's to mend, each with the exit code that the command line gives it.

A message says what was found, what was wanted and what to do. Anything that is not a
`MolmetaError` is a bug of molmeta (exit code 1, with a traceback).
"""


class MolmetaError(Exception):
    """Base of every error that molmeta raises on purpose."""

    exit_code = 1


class InputError(MolmetaError, ValueError):
    """A file or a value that cannot be used."""

    exit_code = 3


class NotEnoughData(InputError):
    """An assay that cannot be adapted to: one class, one compound, no label."""


class ConfigError(MolmetaError, ValueError):
    """An option or a configuration key that does not exist or does not fit."""

    exit_code = 2


class CheckpointError(InputError):
    """A model file that is missing, damaged, or of another format."""


class RefusedError(MolmetaError):
    """Something that would overwrite or mix up existing work."""

    exit_code = 5


class ResourceError(MolmetaError):
    """Disk, memory or accelerator exhausted."""

    exit_code = 6


class DeadlineError(ResourceError):
    """Work that takes longer than it may."""
