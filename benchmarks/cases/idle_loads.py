"""A user that asks once and then stays: what it costs is its session, its greenlet and its open connection."""

import time

from loads.case import TestCase

# In a worker this is a gevent sleep. memory.py stops the run long before; this is the bound if it can't.
STAY_S = 120


class TestIdle(TestCase):
    def test_stay(self):
        response = self.session.get(self.server_url + "/")
        self.assertEqual(response.status_code, 200)  # noqa: PT009 - a load test is a unittest
        time.sleep(STAY_S)
