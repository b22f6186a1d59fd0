"""The server's end of the wire: messages of Flower to labs, and their answers, over HTTP.

Of Flower's server this takes what nodes talk to, and not what lets people send programs to the nodes: a lab
runs what is installed there, and no code comes over this connection. Flower's parts are not all public; the
extra `federated` therefore asks for one version.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from fastapi import FastAPI
from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID, SUPERLINK_NODE_ID
from flwr.proto.task_pb2 import Task
from flwr.server.superlink.linkstate import InMemoryLinkState, LinkStateFactory
from flwr.server.superlink.linkstate.in_memory_linkstate import RunRecord
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NOOP_FEDERATION_ID
from flwr.supercore.error import http_error_translator
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    ObjectUnavailableError,
    inflate_object_from_contents,
    pull_objects,
)
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.protobuf.translation import ProtobufTranslationMiddleware
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.federation import NoOpFederationManager
from flwr.superlink.grid import InMemoryGrid
from flwr.superlink.routers.fleet.node_auth import NodeAuthMiddleware
from flwr.superlink.routers.fleet.router import router
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware

from molmeta.errors import InputError, RefusedError

_RUN = 1  # one run a server


@dataclass(frozen=True)
class Door:
    """Where labs find the server, and who may come in.

    Attributes
    ----------
    host, port
    certificate, key : Path or None
        Of the server, PEM; without them the connection is not encrypted.
    labs : Path or None
        Folder of the labs' public keys (OpenSSH, ECDSA, *.pub); all may come in without it.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    labs: Path | None = None


class Exchange(InMemoryGrid):
    """Sends messages to labs that come by over HTTP, and gathers their answers.

    Attributes
    ----------
    faults : dict of int to str
        What labs could not do, by the number of the node, since it was last emptied.
    """

    def __init__(self) -> None:
        self.factory = LinkStateFactory(FLWR_IN_MEMORY_DB_NAME, NoOpFederationManager(), ObjectStoreFactory())
        super().__init__(self.factory)
        run = Run.create_empty(run_id=_RUN)
        run.primary_task_id, run.federation_id = _RUN, NOOP_FEDERATION_ID
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = _RUN, _RUN, SUPERLINK_NODE_ID
        assert isinstance(self.state, InMemoryLinkState)
        self.state.run_ids[_RUN] = RunRecord(run=run)
        self.state.task_store[_RUN] = Task(task_id=_RUN, run_id=_RUN)
        self.set_run(run)
        self.faults: dict[int, str] = {}

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes that went to the labs, and that came from them."""
        (run,) = self.state.get_run_info(run_ids=[_RUN])
        return run.bytes_sent, run.bytes_recv

    def admit(self, folder: Path) -> int:
        """Lets in the labs whose public keys are in a folder, and no others; how many.

        Raises
        ------
        InputError
            There are none, or a file is no such key.
        """
        files = sorted(folder.glob("*.pub"))
        if not files:
            raise InputError(
                f"{folder} holds no public key (*.pub) of a lab; ssh-keygen -t ecdsa -b 384 makes one"
            )
        for file in files:
            try:
                key = load_ssh_public_key(file.read_bytes())
            except (ValueError, OSError) as error:
                raise InputError(f"{file} is no public key: {error}") from error
            if not isinstance(key, EllipticCurvePublicKey):
                raise InputError(f"{file} is no ECDSA key; make one with ssh-keygen -t ecdsa -b 384")
            self.state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, public_key_to_bytes(key), 0)
        return len(files)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        sent = []
        for message in messages:
            with no_object_id_recompute():
                message.metadata.__dict__["_message_id"] = message.object_id
                objects, tree = get_all_nested_objects(message), get_object_tree(message)
                session = self.state.start_session(_RUN)
                stored, missing = self.state.store_message_and_object_tree(
                    remove_content_from_message(message), tree, session
                )
                for name in missing:
                    self.state.store_object(_RUN, session, name, objects[name].deflate())
            if stored:
                sent.append(message.metadata.message_id)
        return sent

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        answers = self.state.get_message_res(message_ids=set(message_ids), run_id=_RUN)
        whole = [self._whole(answer) for answer in answers]
        self.state.delete_messages({answer.metadata.reply_to_message_id for answer in answers})
        for answer in whole:
            if answer.has_error():
                self.faults[answer.metadata.src_node_id] = answer.error.reason or "it gave no reason"
        return whole

    def _whole(self, answer: Message) -> Message:
        """An answer with its content, which comes in pieces after its head."""
        name = answer.metadata.message_id
        tree = self.state.object_store.get_object_tree(name)
        contents = pull_objects([one.object_id for one in iterate_object_tree(tree)], self._piece)
        self.state.object_store.delete(name)
        message = inflate_object_from_contents(name, contents)
        assert isinstance(message, Message)
        message.metadata.__dict__["_message_id"] = name
        return message

    def _piece(self, name: str) -> bytes:
        content: bytes | None = self.state.get_object(_RUN, name)
        if content is None:
            raise ObjectPullError(name, "it is not known")
        if content == b"":
            raise ObjectUnavailableError(name)
        return content


@contextmanager
def listening(exchange: Exchange, door: Door) -> Iterator[None]:
    """Answers labs at the door, while what is inside runs.

    Raises
    ------
    InputError
        The certificate or a key cannot be read.
    RefusedError
        The port is taken.
    """
    for file in (door.certificate, door.key):
        if file is not None and not file.is_file():
            raise InputError(f"no such file: {file}")
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        middleware=[
            Middleware(BaseHTTPMiddleware, dispatch=http_error_translator),
            Middleware(ProtobufTranslationMiddleware),
            Middleware(NodeAuthMiddleware),
        ],
    )
    app.state.linkstate_factory = exchange.factory
    app.state.enable_supernode_auth = door.labs is not None
    app.include_router(router)
    if door.labs is not None:
        exchange.admit(door.labs)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=door.host,
            port=door.port,
            log_level="error",
            ssl_certfile=door.certificate,
            ssl_keyfile=door.key,
        )
    )
    thread = Thread(target=_run, args=(server,), daemon=True)
    thread.start()
    while thread.is_alive() and not server.started:
        time.sleep(0.05)
    if not server.started:
        raise RefusedError(
            f"cannot listen at {door.host}:{door.port}; is the port taken? Give another --port"
        )
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def _run(server: uvicorn.Server) -> None:
    try:
        server.run()
    except SystemExit:  # uvicorn ends its program where it cannot listen
        return
