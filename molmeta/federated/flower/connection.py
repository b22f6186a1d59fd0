"""A lab's end of the wire: messages of the server, and the lab's answers, over HTTP.

Where Flower's own node would run the program that its server sends, this hands messages to molmeta.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.constant import HEARTBEAT_MIN_INTERVAL, HEARTBEAT_PATIENCE
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
    RegisterNodeFleetRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    ObjectPushError,
    inflate_object_from_contents,
    pull_objects,
    push_objects,
)
from flwr.supercore.interceptors.http.runtime_version import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import generate_key_pairs, public_key_to_bytes
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from molmeta.errors import ConfigError, InputError

Keys = tuple[EllipticCurvePrivateKey, EllipticCurvePublicKey]
# What a connection that is lost, or a server that has forgotten this lab, raises.
LOST = (httpx.HTTPError, ObjectPullError, ObjectPushError)
_PULL_TIME = 600.0  # seconds for the pieces of a message
_ALIVE = float(HEARTBEAT_MIN_INTERVAL)  # seconds; a lab that is silent for some of these counts as gone
# After these seconds the server has noticed that an earlier process of this lab is gone.
_FORGOTTEN = HEARTBEAT_PATIENCE * _ALIVE + 5


@dataclass(frozen=True)
class Way:
    """How to find the server, and how it knows the lab.

    Attributes
    ----------
    server : str
        "host:port".
    encrypted : bool
    authorities : Path or None
        PEM file of the authorities that the server's certificate is checked with; those of the system
        without it.
    key : Path or None
        Private key of this lab (OpenSSH, ECDSA), whose public one the server has.
    """

    server: str
    encrypted: bool = True
    authorities: Path | None = None
    key: Path | None = None


class Connection:
    """What a lab hears from the server and tells it, while it is entered.

    Raises
    ------
    InputError
        The server does not let this lab in.
    httpx.HTTPError
        The connection fails; so do the methods.
    """

    def __init__(self, way: Way, keys: Keys) -> None:
        authorities = None if way.authorities is None else str(way.authorities)
        self._public = public_key_to_bytes(keys[1])
        self._own_key = way.key is not None
        self._client = FleetHttpClient.from_server_address(
            way.server,
            not way.encrypted,
            authorities,
            interceptors=[
                RuntimeVersionHttpInterceptor(component_name="SuperNode"),
                NodeAuthHttpInterceptor(*keys),
            ],
        )
        self._ended = threading.Event()
        self.node = Node()

    def __enter__(self) -> Self:
        self._client.__enter__()
        try:
            self.node = Node(node_id=self._enter())
        except BaseException:
            self._client.__exit__(None, None, None)
            raise
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def _enter(self) -> int:
        """Number of the node that this lab is."""
        if not self._own_key:
            try:
                self._client.RegisterNode(RegisterNodeFleetRequest(public_key=self._public))
            except httpx.HTTPStatusError as error:
                raise InputError("the server lets in labs with a key that it knows; give --key") from error
        request = ActivateNodeRequest(public_key=self._public, heartbeat_interval=_ALIVE)
        try:
            return int(self._client.ActivateNode(request).node_id)
        except httpx.HTTPStatusError:
            time.sleep(_FORGOTTEN)
        try:
            return int(self._client.ActivateNode(request).node_id)
        except httpx.HTTPStatusError as error:
            raise InputError(
                "the server does not let this lab in; its key must be among those of the server, and no "
                "other lab may use it"
            ) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        with suppress(*LOST):
            self._client.DeactivateNode(DeactivateNodeRequest(node_id=self.node.node_id))
        self._client.__exit__(kind, error, trace)

    def hear(self) -> Message | None:
        """The next message, whole; None where there is none yet."""
        answer = self._client.PullMessages(PullMessagesRequest(node=self.node))
        if not answer.messages_list:
            return None
        head, tree = message_from_proto(answer.messages_list[0]), answer.message_object_trees[0]
        run, name = head.metadata.run_id, head.metadata.message_id
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = run, run, self.node.node_id
        pieces = [one.object_id for one in iterate_object_tree(tree)]
        pull = make_pull_object_fn_protobuf(self._client.PullObject, self.node, run)
        contents = pull_objects(pieces, pull, max_time=_PULL_TIME)
        make_confirm_message_received_fn_protobuf(self._client.ConfirmMessageReceived, self.node, run)(name)
        message = inflate_object_from_contents(name, contents)
        assert isinstance(message, Message)
        message.metadata.__dict__["_message_id"] = name
        return message

    def tell(self, answer: Message, seconds: float) -> None:
        """Sends an answer that took so many seconds."""
        with no_object_id_recompute():
            answer.metadata.__dict__["_message_id"] = answer.object_id
            tree, pieces = get_object_tree(answer), get_all_nested_objects(answer)
            head = remove_content_from_message(answer) if answer.has_content() else answer
            accepted = self._client.PushMessages(
                PushMessagesRequest(
                    node=self.node,
                    messages_list=[message_to_proto(head)],
                    message_object_trees=[tree],
                    clientapp_runtime_list=[seconds],
                )
            )
            push = make_push_object_fn_protobuf(
                self._client.PushObject, self.node, answer.metadata.run_id, accepted.session_id
            )
            push_objects(pieces, push, object_ids_to_push=set(accepted.objects_to_push))

    def _beat(self) -> None:
        """Tells the server that this lab is there, as long as it is."""
        request = SendNodeHeartbeatRequest(node=self.node, heartbeat_interval=_ALIVE)
        while not self._ended.wait(_ALIVE / 3):
            with suppress(httpx.HTTPError):  # the next message finds out
                self._client.SendNodeHeartbeat(request)


def keys_of(way: Way) -> Keys:
    """A lab's keys: those of its file, or new ones for this run.

    Raises
    ------
    ConfigError
        The file is not there, or holds no ECDSA key in the format of OpenSSH.
    """
    if way.key is None:
        keys: Keys = generate_key_pairs()
        return keys
    advice = "ssh-keygen -t ecdsa -b 384 makes one"
    try:
        key = load_ssh_private_key(way.key.read_bytes(), None)
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{way.key} is no key of a lab ({error}); {advice}") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ConfigError(f"{way.key} is no ECDSA key; {advice}")
    return key, key.public_key()


def address(server: str) -> tuple[str, int]:
    """Host and port; raises ConfigError where it is no "host:port"."""
    host, _, port = server.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"'{server}' is no address of a server; give HOST:PORT")
    return host.strip("[]"), int(port)


def reach(server: str, patience: float) -> None:
    """Waits until a server can be reached; labs may be there before it, or outlive it.

    Raises
    ------
    InputError
        It cannot be reached in so many seconds.
    """
    place = address(server)
    last = time.monotonic() + patience
    while True:
        try:
            socket.create_connection(place, timeout=10).close()
            return
        except OSError as error:
            if time.monotonic() > last:
                raise InputError(f"no server at {server}: {error}") from error
            time.sleep(0.5)
