"""
One Node process with one function in it: what Lambda calls an execution environment. It runs the same module as
``local/mapping`` does, over Node's own channel between parent and child: a socket with a line of JSON for each message.
"""

import os
import select
import signal
import socket
import subprocess
import time
from dataclasses import dataclass

from concord_localstack.function_files import FUNCTION_PROCESS, NODE, RESPOND_TO_LOCALSTACK

#: How long a process that has closed its channel may take to end.
GOODBYE_SECONDS = 2
CHUNK_BYTES = 1 << 20


class ProcessEnded(Exception):
    """The process is gone. ``status`` is as in ``Popen.returncode``: the exit code, or minus the signal."""

    def __init__(self, status: int):
        super().__init__(f"ended with {status}")
        self.status = status


class TimeIsUp(Exception):
    """There was no message in time."""


@dataclass(frozen=True)
class Launch:
    """What a process is started with. ``memory_mb`` is the function's memory size, ``user`` None for this process's own."""

    module: str
    export_name: str
    task_root: str
    environment: dict[str, str]
    memory_mb: int
    user: int | None


class FunctionProcess:
    """Starts the process. Messages go in pairs: one thread at a time sends and receives; any thread may kill."""

    def __init__(self, launch: Launch):
        self._channel, theirs = socket.socketpair()
        output, their_output = os.pipe()
        self._output = os.fdopen(output, "rb", buffering=0)
        os.set_blocking(output, False)
        self._received = bytearray()
        self._printed = bytearray()
        try:
            self._process = subprocess.Popen(
                command(launch),
                cwd=launch.task_root,
                env={**launch.environment, "NODE_CHANNEL_FD": str(theirs.fileno())},
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=their_output,
                stderr=their_output,
                # A group of its own to be killed with all that it has started, in LocalStack's session: should LocalStack be
                # killed, the system wakes and ends the frozen groups that it leaves behind.
                process_group=0,
                user=launch.user,
                group=launch.user,
                extra_groups=None if launch.user is None else [],
            )
        finally:
            theirs.close()
            os.close(their_output)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, message: bytes, deadline: float) -> None:
        """``deadline`` is of ``time.monotonic``."""
        self._channel.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            self._channel.sendall(message + b"\n")
        except TimeoutError:
            raise TimeIsUp from None
        except OSError:
            raise ProcessEnded(self._end()) from None

    def receive(self, deadline: float) -> bytes:
        """The next message of the process, without its end of line."""
        while (end := self._received.find(b"\n")) < 0:
            ready, _, _ = select.select([self._channel, self._output], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeIsUp
            if self._output in ready:
                self._read_output(ready)
            if self._channel in ready:
                self._read_channel()
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def take_output(self) -> str:
        """What the process has printed since the last call."""
        while chunk := self._read_chunk():
            self._printed += chunk
        text = self._printed.decode("utf-8", "replace")
        self._printed.clear()
        return text

    def freeze(self) -> None:
        """As Lambda does between invocations: no timer fires, no answer of a server is read."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> int:
        """Kills the process and all that it has started; returns how it has ended."""
        self._signal(signal.SIGKILL)
        return self._process.wait()

    def close(self) -> None:
        self._channel.close()
        self._output.close()

    def _read_channel(self) -> None:
        try:
            chunk = self._channel.recv(CHUNK_BYTES)
        except OSError:
            chunk = b""
        if not chunk:
            raise ProcessEnded(self._end())
        self._received += chunk

    def _read_output(self, ready: list) -> None:
        chunk = self._read_chunk()
        if chunk:
            self._printed += chunk
        elif self._channel not in ready:  # both streams closed, the end comes over the channel
            time.sleep(0.001)

    def _read_chunk(self) -> bytes:
        try:
            return self._output.read(CHUNK_BYTES) or b""
        except (OSError, ValueError):
            return b""

    def _end(self) -> int:
        try:
            return self._process.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            return self.kill()

    def _signal(self, number: int) -> None:
        if self._process.returncode is not None:
            return  # its number may be somebody else's by now
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # it ends at this moment; macOS says that a zombie may not be signalled


def command(launch: Launch) -> list[str]:
    """As /var/runtime/bootstrap starts Node: nine tenths of the memory for old objects, a twentieth for a half of the young."""
    return [
        NODE,
        "--no-experimental-require-module",
        f"--max-old-space-size={launch.memory_mb * 9 // 10}",
        f"--max-semi-space-size={max(1, launch.memory_mb // 20)}",
        "--require",
        RESPOND_TO_LOCALSTACK,
        FUNCTION_PROCESS,
        launch.module,
        launch.export_name,
    ]
