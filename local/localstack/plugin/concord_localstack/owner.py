"""Ends LocalStack with the process that has started it, however that ends."""

import os
import signal
import threading

from localstack.runtime import hooks


@hooks.on_runtime_create()
def end_with_owner():
    threading.Thread(target=_wait, name="owner", daemon=True).start()


def _wait():
    """Standard input is a pipe whose other end only the owner has."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
