"""The command ``medner serve``."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from medner.command_line import DEFAULT_HELP, GPU_HELP, good, note
from medner.exceptions import InputError
from medner.serving.batching import REQUEST

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL...]", help=f"Experiments, folders or packages; none: {DEFAULT_HELP}."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; the default is for this machine alone.")] = (
        "127.0.0.1"
    ),
    max_characters: Annotated[int, typer.Option(min=1, help="Largest number of characters in a request.")] = REQUEST,
    gpu: Annotated[int, typer.Option(help=GPU_HELP)] = -1,
) -> None:
    """Serve pipelines on this machine: a page that shows them side by side, POST /annotate and GET /health.

    No text is stored or logged.

    Example: medner serve exp1 exp2 exp3
    """
    try:
        import uvicorn

        from medner.serving.api import create_app
        from medner.serving.pipelines import load
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "uvicorn"):
            raise
        raise InputError(f"{error.name} is not installed", remedy="Run: pip install -e '.[serve]'") from None
    from medner.model.arithmetic import choose_processor
    from medner.model.pipelines import default_pipeline

    models = models or [default_pipeline()]
    listening = _listen(host, port)
    with listening:
        choose_processor(gpu)
        app = create_app(load(models), max_characters=max_characters)
        good(f"Serving at http://{host}:{listening.getsockname()[1]} (stop with Ctrl+C)")
        if host not in LOOPBACK:
            note("Other machines reach this address. It has no password and no encryption: see docs/deploy.md")
        # Without access log: addresses and times of requests are not kept either.
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False))
        server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that is bound before pipelines are loaded, so that a port in use is reported at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()  # so that nobody is refused between the message and the first answer
    except (OSError, UnicodeError) as error:
        what = f"cannot listen on {host}, port {port} ({getattr(error, 'strerror', None) or error})"
        raise InputError(what, remedy="Give another --port or --host") from None
    return listening
