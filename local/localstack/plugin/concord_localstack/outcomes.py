"""What Lambda makes of an invocation: the payload that the caller gets, and the lines in the log."""

import json
import signal

#: As Go, in which Lambda's supervisor is written, spells them.
SIGNALS = {signal.SIGKILL: "killed", signal.SIGTERM: "terminated", signal.SIGABRT: "aborted", signal.SIGSEGV: "segmentation fault"}

#: Of a response.
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024 + 100


def error_payload(error_type: str, message: str, stack: str | None = None) -> bytes:
    body: dict = {"errorType": error_type, "errorMessage": message}
    if stack is not None:
        body["trace"] = stack.split("\n")
    return json.dumps(body).encode()


def of_thrown(answer: dict) -> bytes:
    """Of an ``Answer`` of the kind ``error``, see local/mapping/invocation.ts."""
    return error_payload(answer["errorType"], answer["message"], answer.get("stack", ""))


def of_end(request_id: str, status: int) -> bytes:
    """``status`` as in ``Popen.returncode``."""
    if status == 0:
        how = "Runtime exited without providing a reason"
    elif status > 0:
        how = f"Runtime exited with error: exit status {status}"
    else:
        how = f"Runtime exited with error: signal: {SIGNALS.get(-status, -status)}"
    return error_payload("Runtime.ExitError", f"RequestId: {request_id} Error: {how}")


def of_timeout(request_id: str, seconds: float) -> bytes:
    return error_payload("Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds")


def of_result(line: bytes, request_id: str) -> tuple[bytes, bool]:
    """
    The payload in an ``Answer`` of the kind ``result``, and whether it is an error. The result is cut out of the message and
    not parsed, so that it comes out as JavaScript wrote it.
    """
    head = b'{"kind":"result","requestId":"%s"' % request_id.encode()
    body = line.removeprefix(head)
    if body == b"}":  # undefined
        return b"null", False
    payload = body.removeprefix(b',"result":')[:-1]
    if len(payload) > MAX_PAYLOAD_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes)."
        return error_payload("Function.ResponseSizeTooLarge", message), True
    return payload, False


def log_of(request_id: str, version: str, printed: str, milliseconds: float, memory_mb: int, error: bytes | None) -> str:
    """The log of one invocation."""
    lines = [f"START RequestId: {request_id} Version: {version}", *printed.splitlines()]
    if error is not None:
        lines.append(f"ERROR\tInvoke Error\t{error.decode()}")
    report = f"Duration: {milliseconds:.2f} ms\tBilled Duration: {int(milliseconds) + 1} ms\tMemory Size: {memory_mb} MB"
    lines += [f"END RequestId: {request_id}", f"REPORT RequestId: {request_id}\t{report}"]
    return "\n".join(lines) + "\n"
