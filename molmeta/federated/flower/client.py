"""`take_part`: connects a lab to the server of a federation, and answers it until it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Context, Error, Message, RecordDict
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import ClientAppCallable
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.common.constant import ErrorCode
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Stage
from flwr.common.secure_aggregation.secaggplus_constants import Key as Secure
from flwr.compat.common.recorddict_compat import fitres_to_recorddict, recorddict_to_fitins
from numpy.typing import NDArray

from molmeta.checkpoint import CONFIG
from molmeta.errors import ConfigError, MolmetaError, RefusedError
from molmeta.federated import shared
from molmeta.federated.flower.connection import LOST, Connection, Way, address, keys_of, reach
from molmeta.federated.lab import Lab
from molmeta.federated.plan import digest, last_round, read_federated
from molmeta.federated.shared import Array
from molmeta.training.group import Group
from molmeta.training.journal import LOG, STATE
from molmeta.training.report import Progress, TrainReport

_PAUSE = 0.5  # seconds between two looks for a message


def take_part(
    path: Path,
    out: Path,
    way: Way,
    *,
    data: Path = Path(),
    cache: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    patience: float = 3600.0,
    progress: Callable[[Progress], None] = lambda _: None,
    told: Callable[[str], None] = lambda _: None,
) -> TrainReport:
    """Trains with other labs, and leaves this lab's model in `out`.

    Parameters
    ----------
    path : Path
        Configuration, in all but [data] that of the server.
    out : Path
        Folder of this lab: outputs of its assays and its tables, which never leave, and its model in the end.
    way : Way
        To the server.
    data, cache, device, progress
        As in `molmeta.training.train`.
    resume : bool
        Go on with what is in `out`.
    patience : float
        Seconds to wait for a server that cannot be reached.
    told : callable
        Given a line of text for each round.

    Raises
    ------
    ConfigError, RefusedError
        The configuration does not fit, `out` holds something, the key is none.
    InputError
        No assays, or the server cannot be reached or went away.
    """
    config = read_federated(path)
    if (out / CONFIG).exists():
        raise RefusedError(f"{out} already holds the model of a federation that is done; give another folder")
    if not resume and any((out / name).exists() for name in (STATE, LOG)):
        raise RefusedError(f"{out} already holds a run; give --resume to go on with it, or another folder")
    # What cannot be right is refused before assays are read.
    keys_of(way)
    address(way.server)
    out.mkdir(parents=True, exist_ok=True)
    lab = Lab(config, out, progress, Group.of_environment(device))
    if resume:
        lab.restore()
    lab.read(data, cache or out / "cache")
    answers = _Answers(lab, told)
    while answers.report is None:
        reach(way.server, patience)
        try:
            with Connection(way, keys_of(way)) as connection:
                told(f"connected to {way.server}")
                converse(connection, answers)
        except LOST as error:
            told(f"the connection is lost ({type(error).__name__}); trying again")
            time.sleep(_PAUSE)
    return answers.report


def converse(connection: Connection, answers: _Answers) -> None:
    """Answers messages until the server has said that it is done."""
    context = Context(0, connection.node.node_id, {}, RecordDict(), {})
    while answers.report is None:
        message = connection.hear()
        if message is None:
            time.sleep(_PAUSE)
            continue
        started = time.monotonic()
        answer = answers(message, context)
        connection.tell(answer, time.monotonic() - started)


class _Answers:
    """What a lab answers to messages; `report` is there once the server has said that it is done."""

    def __init__(self, lab: Lab, told: Callable[[str], None]) -> None:
        self.lab, self.told = lab, told
        self.report: TrainReport | None = None
        app = ClientApp(mods=[self._agreed, secaggplus_mod] if lab.config.federated.secure else [])
        app.train()(self._round)
        app.query()(self._end)
        self.app = app

    def __call__(self, message: Message, context: Context) -> Message:
        try:
            return self.app(message, context)
        except Exception as error:
            # The server hears what it needs to know of its own messages, and nothing of the lab's assays.
            said = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__} in a lab"
            self.told(f"round not done: {error}")
            if not isinstance(error, (MolmetaError, KeyError, TypeError, ValueError)):
                raise
            return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, said), reply_to=message)

    def _agreed(self, message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        """Refuses a secure aggregation of fewer labs, or with other shares, than was agreed upon."""
        config = message.content.config_records.get(RECORD_KEY_CONFIGS)
        if config is not None and config.get(Secure.STAGE) == Stage.SETUP:
            plan = self.lab.config.federated
            labs, shares, least = (
                config[k] for k in (Secure.SAMPLE_NUMBER, Secure.SHARE_NUMBER, Secure.THRESHOLD)
            )
            if not plan.least <= int(str(labs)) <= plan.labs or shares != labs or least != plan.least:
                raise ConfigError(
                    f"the server would aggregate {labs} labs with {shares} shares, {least} of which unmask; "
                    f"agreed are {plan.least} to {plan.labs} labs, a share each, {plan.least} of which do"
                )
        return call_next(message, context)

    def _round(self, message: Message, _: Context) -> Message:
        instruction = recorddict_to_fitins(message.content, keep_input=True)
        self._same(str(instruction.config.get("digest")))
        number = int(str(instruction.config["round"]))
        self.told(f"round {number} of {last_round(self.lab.config)}")
        (vector,) = parameters_to_ndarrays(instruction.parameters)
        update, weight = self.lab.round(number, self._split(vector))
        # Secure aggregation rounds it to whole numbers of more digits than float32 has, once it is weighted.
        sent = shared.join(update, np.float64 if self.lab.config.federated.secure else np.float32)
        result = FitRes(Status(Code.OK, ""), ndarrays_to_parameters([sent]), weight, {})
        return Message(fitres_to_recorddict(result, keep_input=False), reply_to=message)

    def _end(self, message: Message, _: Context) -> Message:
        self._same(str(message.content.config_records["config"]["digest"]))
        (vector,) = message.content.array_records["shared"].to_numpy_ndarrays()
        self.report = self.lab.finish_with(self._split(vector))
        return Message(RecordDict(), reply_to=message)

    def _split(self, vector: NDArray[Any]) -> list[Array]:
        return shared.split(vector, shared.whole(self.lab.learner))

    def _same(self, theirs: str) -> None:
        if theirs != digest(self.lab.config):
            raise ConfigError(
                "server and lab have different configurations; all but [data] must be the same file"
            )
