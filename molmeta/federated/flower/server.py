"""`serve`: runs the rounds of a federation, with labs that connect."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.common import FitIns, FitRes, Parameters, Scalar, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.server import LegacyContext, ServerConfig, SimpleClientManager
from flwr.server.client_manager import ClientManager
from flwr.server.client_proxy import ClientProxy
from flwr.server.compat.app_utils import start_update_client_manager_thread
from flwr.server.strategy import FedAvg
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD, Key
from flwr.server.workflow.default_workflows import default_fit_workflow

from molmeta.errors import InputError
from molmeta.federated import shared
from molmeta.federated.average import Average, Line
from molmeta.federated.flower.exchange import Door, Exchange, listening
from molmeta.federated.plan import Federated, digest, last_round, phase_of, read_federated
from molmeta.federated.shared import Array

ARRAYS, END = "shared", "query"
_TRIES = 3  # of a round, before the server stops
_PAUSE = 0.2  # seconds between two looks at who is there


def serve(
    path: Path,
    out: Path,
    door: Door,
    *,
    resume: bool = False,
    progress: Callable[[Line], None] = lambda _: None,
) -> Average:
    """Trains a trunk and a prior with labs that connect, and leaves them in `out`.

    Parameters
    ----------
    path : Path
        Configuration (`molmeta.federated.plan.FederatedConfig`); labs must have the same.
    out : Path
    door : Door
        Where labs find the server.
    resume : bool
        Go on with the federation in `out`, from the last round that is done.
    progress : callable
        Given a line of the log after each round.

    Raises
    ------
    ConfigError, RefusedError
        As `read_federated`, `Average` and `listening` say.
    InputError
        Three times in a row a round had too few answers; what the labs said is in the message.
    """
    config = read_federated(path)
    average = Average(config, out, resume)
    exchange = Exchange()
    strategy = _Rounds(average)
    context = LegacyContext(
        Context(SUPERLINK_NODE_ID, SUPERLINK_NODE_ID, {}, RecordDict(), {}),
        ServerConfig(num_rounds=last_round(config)),
        strategy,
        SimpleClientManager(),
    )
    context.state.array_records[MAIN_PARAMS_RECORD] = ArrayRecord()
    plan = config.federated
    one_round = _secure(plan) if plan.secure else default_fit_workflow
    if average.told:
        return average
    with listening(exchange, door):
        thread, stop, ready = start_update_client_manager_thread(exchange, context.client_manager)
        try:
            ready.wait()
            _assemble(exchange, plan.labs, plan.labs)
            failed = 0
            while not average.done:
                _assemble(exchange, plan.least, plan.labs)
                context.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord(
                    {Key.CURRENT_ROUND: average.round + 1, Key.START_TIME: time.monotonic()}
                )
                exchange.faults.clear()
                before, then, started = average.round, exchange.traffic, time.monotonic()
                one_round(exchange, context)
                if strategy.update is not None:
                    labs, update = strategy.update
                    seconds, now = time.monotonic() - started, exchange.traffic
                    progress(average.take(update, labs, seconds, now[0] - then[0], now[1] - then[1]))
                strategy.update = None
                failed = failed + 1 if average.round == before else 0
                if failed == _TRIES:
                    raise InputError(_why(exchange, average))
            average.leave()
            _end(exchange, average)
            average.told = True
            average.save()
        finally:
            stop.set()
            thread.join()
    return average


def _secure(plan: Federated) -> SecAggPlusWorkflow:
    """Secure aggregation of whole numbers as large as a sum of all labs allows, a factor of two apart.

    Shares are one a lab, of which `least` unmask. Flower's default is fit for a thousand labs, and would
    round the update of a lab that weighs little away.
    """
    levels = 2 ** (31 - math.ceil(math.log2(plan.labs)))
    return SecAggPlusWorkflow(1.0, plan.least, max_weight=float(plan.most), quantization_range=levels)


class _Rounds(FedAvg):
    """Asks all labs that are there for an update, and takes the mean of what they send."""

    def __init__(self, average: Average) -> None:
        super().__init__()
        self.average = average
        self.update: tuple[int, list[Array]] | None = None

    def configure_fit(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> list[tuple[ClientProxy, FitIns]]:
        what: dict[str, Scalar] = {"round": server_round, "digest": digest(self.average.config)}
        instruction = FitIns(ndarrays_to_parameters([shared.join(self.average.values())]), what)
        return [(lab, instruction) for lab in client_manager.all().values()]

    def aggregate_fit(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, FitRes]],
        failures: list[tuple[ClientProxy, FitRes] | BaseException],
    ) -> tuple[Parameters | None, dict[str, Scalar]]:
        mean, _ = super().aggregate_fit(server_round, results, failures)
        if mean is not None and len(results) >= self.average.config.federated.least:
            (vector,) = parameters_to_ndarrays(mean)
            phase = phase_of(self.average.config, server_round)
            self.update = (len(results), shared.split(vector, shared.changed(self.average.learner, phase)))
        return None, {}


def _assemble(exchange: Exchange, least: int, most: int) -> None:
    """Waits until so many labs are there; of one that came back, until its former self counts as gone."""
    while not least <= len(list(exchange.get_node_ids())) <= most:
        time.sleep(_PAUSE)


def _why(exchange: Exchange, average: Average) -> str:
    """What went wrong in a round, for a message."""
    said = "; ".join(dict.fromkeys(exchange.faults.values())) or "labs have left"
    least = average.config.federated.least
    return (
        f"round {average.round + 1} had fewer than {least} answers: {said}. What is done is kept; mend that, "
        "and go on with --resume"
    )


def _end(exchange: Exchange, average: Average) -> None:
    """Tells all labs that it is done, with what is shared in the end; waits until they have it."""
    content = RecordDict(
        {
            ARRAYS: ArrayRecord([shared.join(average.values())]),
            "config": ConfigRecord({"digest": digest(average.config)}),
        }
    )
    messages = [Message(content, lab, END, group_id="end") for lab in exchange.get_node_ids()]
    for answer in exchange.send_and_receive(messages):
        if answer.has_error():
            average.problems.append(answer.error.reason)
