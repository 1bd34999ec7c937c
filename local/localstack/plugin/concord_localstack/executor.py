"""LocalStack's side of an execution environment: starts it, hands it one invocation after the other, replaces it."""

import json
import logging
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from concord_localstack import outcomes
from concord_localstack.function_files import (
    FUNCTION_PROCESS,
    NODE,
    RUNTIME_MODULES,
    function_user,
    handler_module,
    node_path,
    protect,
)
from concord_localstack.function_process import FunctionProcess, Launch, ProcessEnded, TimeIsUp

LOG = logging.getLogger(__name__)

#: Lambda's own limit for loading a function.
INIT_LIMIT_SECONDS = 10
#: What LocalStack tells its containers, and Lambda nobody.
NOT_OF_LAMBDA = ("LOCALSTACK_", "EDGE_PORT", "AWS_LAMBDA_FUNCTION_TIMEOUT", "_AWS_XRAY", "AWS_XRAY")


class NodeExecutor(RuntimeExecutor):
    """One execution environment of one version of a function. LocalStack gives it one invocation at a time."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id=id, function_version=function_version)
        self._config = function_version.config
        self._process: FunctionProcess | None = None
        self._turn = threading.Lock()
        self._environment: dict[str, str] = {}
        self._temporary = Path(tempfile.gettempdir())
        self._log = ""

    def start(self, env_vars: dict[str, str]) -> None:
        self.prepare_version(self.function_version)
        self._temporary = Path(tempfile.mkdtemp(prefix="environment-"))
        self._temporary.chmod(0o1777)
        self._environment = self._environment_from({name: str(value) for name, value in env_vars.items()})
        if error := self._launch():
            raise StatusErrorException("the function could not be loaded", payload=error)

    def stop(self) -> None:
        if process := self._process:
            process.kill()
        with self._turn:  # an invocation under way ends with the process
            self._discard()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        with self._turn:
            return self._invoke(payload)

    def _invoke(self, payload: dict[str, str]) -> InvocationResult:
        request_id = payload["invoke-id"]
        if self._process is None or not self._process.is_running:
            self._discard()
            if error := self._launch():
                return self._result(request_id, error, True, self._log, 0)
        process, started = self._process, time.monotonic()
        body, is_error = self._exchange(process, payload, started + self._config.timeout)
        printed = process.take_output()
        if process.is_running:
            process.freeze()
        else:
            self._discard()
        return self._result(request_id, body, is_error, printed, (time.monotonic() - started) * 1000)

    def _exchange(self, process: FunctionProcess, payload: dict[str, str], deadline: float) -> tuple[bytes, bool]:
        """One request, one answer. A process that has not answered by ``deadline`` is killed."""
        request_id = payload["invoke-id"]
        try:
            process.thaw()
            process.send(self._request(payload), deadline)
            line = process.receive(deadline)
        except ProcessEnded as end:
            return outcomes.of_end(request_id, end.status), True
        except TimeIsUp:
            process.kill()
            return outcomes.of_timeout(request_id, self._config.timeout), True
        if line.startswith(b'{"kind":"error"'):
            return outcomes.of_thrown(json.loads(line)), True
        return outcomes.of_result(line, request_id)

    def _request(self, payload: dict[str, str]) -> bytes:
        """A ``Request`` of local/mapping/invocation.ts. The event stays as the caller wrote it, but on one line."""
        environment = self._environment
        context = {
            "functionName": environment["AWS_LAMBDA_FUNCTION_NAME"],
            "functionVersion": environment["AWS_LAMBDA_FUNCTION_VERSION"],
            "invokedFunctionArn": payload["invoked-function-arn"],
            "memoryLimitInMB": environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
            "logGroupName": environment["AWS_LAMBDA_LOG_GROUP_NAME"],
            "logStreamName": environment["AWS_LAMBDA_LOG_STREAM_NAME"],
        }
        deadline_ms = int((time.time() + self._config.timeout) * 1000)
        head = {"requestId": payload["invoke-id"], "deadlineMs": deadline_ms, "context": context}
        event = (payload["payload"] or "{}").replace("\n", " ").replace("\r", " ")
        return f'{json.dumps(head)[:-1]}, "event": {event}}}'.encode()

    def _launch(self) -> bytes | None:
        """Starts a process and waits until it has loaded the function. Returns the error payload where it cannot."""
        task_root = self._config.code.get_unzipped_code_location()
        module, export_name = handler_module(task_root, self._config.handler)
        needed = map(Path, (NODE, FUNCTION_PROCESS, RUNTIME_MODULES, task_root, *self._layers()))
        launch = Launch(
            module=module,
            export_name=export_name,
            task_root=str(task_root),
            environment=self._environment,
            memory_mb=self._config.memory_size,
            user=function_user(*needed),
        )
        process = FunctionProcess(launch)
        self._process = process
        error = self._await_ready(process)
        self._log = process.take_output()
        if error is None:
            process.freeze()
        else:
            process.kill()
            LOG.warning("%s: %s\n%s", self.function_version.qualified_arn, error.decode(), self._log)
        return error

    def _await_ready(self, process: FunctionProcess) -> bytes | None:
        try:
            answer = json.loads(process.receive(time.monotonic() + INIT_LIMIT_SECONDS))
        except ProcessEnded as end:
            return outcomes.of_end(self.id, end.status)
        except TimeIsUp:
            return outcomes.of_timeout(self.id, INIT_LIMIT_SECONDS)
        return None if answer["kind"] == "ready" else outcomes.of_thrown(answer)

    def _environment_from(self, given: dict[str, str]) -> dict[str, str]:
        """The environment of a function on Lambda, with the paths of this machine."""
        of_lambda = {name: value for name, value in given.items() if not name.startswith(NOT_OF_LAMBDA)}
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "HOME": str(self._temporary),
            "TMPDIR": str(self._temporary),
            "NODE_PATH": node_path(self._layers(), self._config.runtime or ""),
            **of_lambda,
            "TZ": "UTC",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self._config.runtime}",
            "LAMBDA_TASK_ROOT": str(self._config.code.get_unzipped_code_location()),
            "LAMBDA_RUNTIME_DIR": os.path.dirname(RUNTIME_MODULES),
        }

    def _layers(self) -> list[Path]:
        return [layer.code.get_unzipped_code_location() for layer in self._config.layers]

    def _result(self, request_id: str, body: bytes, is_error: bool, printed: str, milliseconds: float) -> InvocationResult:
        version = self._environment["AWS_LAMBDA_FUNCTION_VERSION"]
        error = body if is_error else None
        self._log = outcomes.log_of(request_id, version, printed, milliseconds, self._config.memory_size, error)
        return InvocationResult(request_id, body, is_error, self._log)

    def _discard(self) -> None:
        if process := self._process:
            process.kill()
            process.close()
            self._process = None

    def get_logs(self) -> str:
        """Of the last invocation, for LocalStack's own log."""
        return self._log

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        config = function_version.config
        for code in (config.code, *(layer.code for layer in config.layers)):
            code.prepare_for_execution()
            protect(code.get_unzipped_code_location())

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        if function_version.config.code:
            function_version.config.code.destroy_cached()
