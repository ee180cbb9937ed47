"""What stands for Google's Secret Manager: its four calls over gRPC, answered from a dict. It is not Google."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.cloud.secretmanager_v1 import types
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport
from google.protobuf.empty_pb2 import Empty

from provisioning.farms.google import secrets_client

SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"


class Kept(dict[str, list[bytes]]):
    """Secrets by name, each with its versions."""

    def create(self, request: Any, context: grpc.ServicerContext) -> Any:
        name = f"{request.parent}/secrets/{request.secret_id}"
        if name in self:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"Secret [{name}] already exists.")
        assert "automatic" in request.secret.replication
        self[name] = []
        return types.Secret(name=name)

    def add(self, request: Any, context: grpc.ServicerContext) -> Any:
        if len(request.payload.data) > 65_536:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"too large: {request.payload.data!r}")
        self._of(request.parent, context).append(request.payload.data)
        return types.SecretVersion(name=f"{request.parent}/versions/{len(self[request.parent])}")

    def access(self, request: Any, context: grpc.ServicerContext) -> Any:
        name, _, version = request.name.partition("/versions/")
        versions = self._of(name, context)
        data = versions[-1 if version == "latest" else int(version) - 1]
        return types.AccessSecretVersionResponse(name=request.name, payload={"data": data})

    def delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._of(request.name, context)
        del self[request.name]
        return Empty()

    def _of(self, name: str, context: grpc.ServicerContext) -> list[bytes]:
        if name not in self:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Secret [{name}] not found.")
        return self[name]


@contextmanager
def secret_manager() -> Iterator[tuple[Any, Kept]]:
    """Google's own client of a server that stands for Google, and what that keeps."""
    kept = Kept()
    rows: dict[str, tuple[Callable[..., Any], Any]] = {
        "CreateSecret": (kept.create, types.CreateSecretRequest),
        "AddSecretVersion": (kept.add, types.AddSecretVersionRequest),
        "AccessSecretVersion": (kept.access, types.AccessSecretVersionRequest),
        "DeleteSecret": (kept.delete, types.DeleteSecretRequest),
    }
    handlers = {
        call: grpc.unary_unary_rpc_method_handler(
            method, request_deserializer=request.deserialize, response_serializer=_bytes
        )
        for call, (method, request) in rows.items()
    }
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield secrets_client(transport=SecretManagerServiceGrpcTransport(channel=channel)), kept
        finally:
            server.stop(None).wait()


def _bytes(answer: Any) -> bytes:
    data: bytes = answer.SerializeToString() if isinstance(answer, Empty) else type(answer).serialize(answer)
    return data
