"""Meta-training: multitask pretraining of the encoder, then episodic training of the heads."""

from molmeta.training.config import TrainConfig, read_config
from molmeta.training.group import speaks
from molmeta.training.report import Progress, TrainReport
from molmeta.training.run import train

__all__ = ["Progress", "TrainConfig", "TrainReport", "read_config", "speaks", "train"]
