"""Ray, on this machine or on a cluster."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from typing import Any

from medner.exceptions import InputError

LOCAL = "local"  # the address that starts Ray on this machine


def start_ray(address: str) -> Any:
    """The module ``ray``, connected: ``local`` to start Ray here, ``auto`` for the running cluster, or an address.

    Raises InputError where Ray is not installed, and where no cluster answers.
    """
    try:
        import ray.data  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError("--ray needs Ray", remedy="Install it: pip install -e '.[ray]'") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    for name in ("ray", "ray.data"):  # they report progress, and print stack traces of what is raised as well
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"ray\.")  # advice on inputs that are small
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, ignore_reinit_error=True)
    except (OSError, RuntimeError, ValueError) as error:
        what = f"--ray {address}: no Ray answers ({_first_line(error)})"
        raise InputError(what, remedy=f"Start the cluster, or give {LOCAL}") from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.raise_original_map_exception = True
    return ray


def _knock(address: str) -> None:
    """Raises OSError where nobody listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def explained(error: Exception) -> InputError:
    """What was raised in another process: the InputError itself, anything else as one."""
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, InputError):
        return InputError(cause.what, remedy=cause.remedy, path=cause.path, place=cause.place)
    what = f"a worker failed ({type(cause).__name__}: {_first_line(cause)})"
    return InputError(what, remedy="Ray's logs say more: /tmp/ray/session_latest/logs on the worker's machine")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]
