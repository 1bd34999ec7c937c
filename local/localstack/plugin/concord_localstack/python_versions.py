"""LocalStack 4.13.1 says that it runs on Python 3.10 and later; two places want 3.13 and 3.12."""

import hashlib
import sys
import threading
import uuid

from localstack.runtime import hooks


@hooks.on_runtime_create()
def make_up_for_old_python():
    if sys.version_info < (3, 12):
        accept_bytes_in_uuid5()
    if sys.version_info < (3, 13):
        import_with_lock_in_a_union()


def accept_bytes_in_uuid5():
    """services/kms/models.py gives ``uuid.uuid5`` a name in bytes, which 3.12 began to take."""
    of_text = uuid.uuid5

    def uuid5(namespace, name):
        if not isinstance(name, bytes):
            return of_text(namespace, name)
        digest = hashlib.sha1(namespace.bytes + name).digest()
        return uuid.UUID(bytes=digest[:16], version=5)

    uuid.uuid5 = uuid5


def import_with_lock_in_a_union():
    """packages/api.py annotates with ``Lock | None``; ``threading.Lock`` is a class only from 3.13 on."""
    real = threading.Lock

    class Lock:
        def __call__(self):
            return real()

        def __or__(self, other):
            return object

    threading.Lock = Lock()
    try:
        import localstack.packages.api  # noqa: F401
    finally:
        threading.Lock = real
