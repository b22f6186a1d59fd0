"""The contract of heads: a support set in, a predictor out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import Episode, Labelled
from molmeta.data.history import History
from molmeta.encoders.base import Encoder
from molmeta.errors import NotEnoughData
from molmeta.prediction import Prediction

Conditioned = Callable[[MolBatch], Prediction]


class Head(nn.Module, ABC):
    """Turns a support set into a predictor.

    A head keeps nothing of a support set: `condition` changes no parameter and no buffer, so one head
    serves many assays at once. Predictions do not depend on the order of the support set, nor on which
    other compounds are in the batch (`tests/contracts/test_heads.py`).

    Attributes
    ----------
    kinds : frozenset of str
        Kinds of target that it handles: "classification", "regression".
    needs : frozenset of str
        Fields of `MolBatch` that it reads itself, beside those of the encoder.
    adapts_encoder : bool
        Whether conditioning changes the encoder's weights, so that it needs the encoder itself, not the
        embeddings that `Frozen` reads.
    rule_is_learned : bool
        Whether what it does with a support set is learned from scratch, so that it knows nothing before
        it is trained.
    """

    kinds: ClassVar[frozenset[str]]
    needs: frozenset[str] = frozenset()
    adapts_encoder: ClassVar[bool] = False
    rule_is_learned: ClassVar[bool] = False

    @abstractmethod
    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        """Predictor of the assay that `support` was measured in.

        Raises
        ------
        NotEnoughData
            The support set lacks what the method needs (see `check_support`).
        """

    def held_out(self, encoder: Encoder, data: Labelled, parts: Sequence[Tensor]) -> list[Prediction] | None:
        """Predictions of parts of an assay, each by what `condition` makes of its other compounds, where the
        head has a faster way to them.

        Parameters
        ----------
        data : Labelled
        parts : sequence of int64[m]
            Rows of `data`.

        Returns
        -------
        list of Prediction, or None
            None where the head has no other way than to condition on the others of each part.

        Raises
        ------
        NotEnoughData
            As `condition` does.
        """
        return None

    def unconditioned(self, encoder: Encoder) -> Conditioned:
        """Predictor of an assay of classes of which nothing was measured.

        Raises
        ------
        NotEnoughData
            The head knows nothing before it has seen a label.
        """
        raise NotEnoughData(f"{type(self).__name__} says nothing without labelled compounds; it has no prior")

    def loss(self, encoder: Encoder, episode: Episode) -> Tensor:
        """float[]: mean negative log predictive probability of the query, differentiable."""
        predict = self.condition(encoder, episode.support)
        return -predict(episode.query.mols).log_prob(episode.query.y).mean()

    def start_from(self, outputs: Tensor, history: History) -> None:
        """Takes what the training assays and stage A of the training leave, before the head is trained.

        Parameters
        ----------
        outputs : float32[n_assays, dim]
            Of a unit embedding u, training assay t says that the log-odds of being active are
            u @ outputs[t], up to a constant.
        history : History
            Labels of the training assays.
        """

    def extend(self, outputs: Tensor, history: History, known: int) -> None:
        """Adds assays to those that `start_from` took; what the head knows of these stays.

        Parameters
        ----------
        outputs : float32[n_assays, dim]
            As in `start_from`, of the new assays; zero for an assay with too few labels.
        history : History
            Labels of the new assays.
        known : int
            Number of assays that the head was made of before; the new ones are counted on from there.
        """

    def remember(self, sample: MolBatch) -> None:
        """Takes training compounds to keep beside the support set, for heads that have a use for them.

        Parameters
        ----------
        sample : MolBatch
            About a thousand of them, with the embedding of the shared encoder.
        """

    def diagnostics(self, encoder: Encoder, support: Labelled) -> dict[str, float]:
        """Numbers by name that the log of a training shows beside the loss: of an inner loop, say."""
        return {}

    def check_support(self, support: Labelled) -> None:
        """Refuses a support set of the wrong kind, or with no contrast in its labels."""
        self.check_labels(support.target.kind, support.y)

    def check_labels(self, kind: str, y: Tensor) -> None:
        """The same, of labels y float[n] of a kind."""
        name, n = type(self).__name__, len(y)
        if kind not in self.kinds:
            raise NotEnoughData(
                f"{name} was given a {kind} assay; it handles {', '.join(sorted(self.kinds))}"
            )
        if n < 2:
            raise NotEnoughData(f"{name} was given {n} labelled compounds; it needs at least 2")
        if kind == "classification":
            n_pos = int((y > 0.5).sum())
            if n_pos == 0 or n_pos == n:
                missing = "active" if n_pos == 0 else "inactive"
                raise NotEnoughData(
                    f"all {n} labelled compounds are of one class; add at least one {missing} one"
                )
