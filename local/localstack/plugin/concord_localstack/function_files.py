"""Where a function's process finds its code, its layers and the runtime's own packages."""

import os
from pathlib import Path

NODE = os.environ["CONCORD_NODE"]
FUNCTION_PROCESS = os.environ["CONCORD_FUNCTION_PROCESS"]
RUNTIME_MODULES = os.environ["CONCORD_RUNTIME_MODULES"]
RESPOND_TO_LOCALSTACK = str(Path(__file__).with_name("respond_to_localstack.cjs"))

#: ``nobody``: owns nothing, so code is as read-only to it as /var/task is on Lambda.
UNPRIVILEGED_ID = 65534


def handler_module(task_root: Path, handler: str) -> tuple[str, str]:
    """``('/…/src/index.js', 'handler')`` of ``src/index.handler``. A file that is missing is for Node to report."""
    stem, _, export_name = handler.rpartition(".")
    base = task_root / stem
    found = (base.with_name(base.name + extension) for extension in (".js", ".mjs", ".cjs"))
    return str(next((path for path in found if path.exists()), base)), export_name


def node_path(layers: list[Path], runtime: str) -> str:
    """
    The NODE_PATH of a function. Lambda lays one layer over the other in /opt, so that a later one hides what it has in common
    with an earlier one: here the later one is searched first.
    """
    major = "".join(character for character in runtime if character.isdigit())
    folders = []
    for layer in reversed(layers):
        folders += [layer / "nodejs" / f"node{major}" / "node_modules", layer / "nodejs" / "node_modules"]
    return ":".join(map(str, [*folders, RUNTIME_MODULES]))


def protect(folder: Path) -> None:
    """
    Takes the right to write from files, so that a function cannot change its code. Folders keep it, or only root could delete
    them: where functions cannot run as somebody else, they may still add files.
    """
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o555)


def function_user(*needed: Path) -> int | None:
    """The user of a function's process: unprivileged where this process is root and that user may read what is needed."""
    if os.geteuid() != 0 or not all(_is_reachable(path) for path in needed):
        return None
    return UNPRIVILEGED_ID


def _is_reachable(path: Path) -> bool:
    for folder in path.resolve().parents:
        status = folder.stat()
        if not status.st_mode & (0o100 if status.st_uid == UNPRIVILEGED_ID else 0o001):
            return False
    return True
