"""A start from a checkpoint in place of stage A: new heads on an encoder that is there already."""

from __future__ import annotations

from molmeta.checkpoint import load_checkpoint
from molmeta.errors import ConfigError
from molmeta.learner import Learner


def take_over(learner: Learner, checkpoint: str) -> None:
    """Gives a learner the encoder of a checkpoint, and those of its heads that have the same arguments.

    Raises
    ------
    CheckpointError
        There is no such checkpoint.
    ConfigError
        Its encoder is another one.
    """
    source = load_checkpoint(checkpoint)
    wanted, found = learner.spec["encoder"], source.spec["encoder"]
    if wanted != found:
        raise ConfigError(
            f"{checkpoint} has the encoder {found}, the configuration wants {wanted}; "
            "give the same, or leave out start"
        )
    learner.encoder.load_state_dict(source.encoder.state_dict())
    for name, arguments in learner.spec["heads"].items():
        if source.spec["heads"].get(name) == arguments:
            learner.head(name).load_state_dict(source.head(name).state_dict())
