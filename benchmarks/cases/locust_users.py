"""Locust's two HTTP users, who trust the benchmark's own authority where there is one.

Left alone, HttpUser knows only public authorities and FastHttpUser asks for no certificate at all.
"""

import os
from functools import cache

from gevent import ssl
from locust import FastHttpUser, HttpUser

AUTHORITY = os.environ.get("REQUESTS_CA_BUNDLE")


class Plain(HttpUser):
    abstract = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # HttpUser's session does not look into the environment by itself.
        self.client.verify = AUTHORITY or True


@cache
def verifying(cafile=None):
    """One context for all users; `cafile` is the client's own bundle, which does not know our authority."""
    return ssl.create_default_context(cafile=AUTHORITY)


class Fast(FastHttpUser):
    abstract = True
    insecure = AUTHORITY is None
    ssl_context_factory = staticmethod(verifying) if AUTHORITY else None
