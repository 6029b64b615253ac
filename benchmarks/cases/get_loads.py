"""The simplest test there is: a GET on a connection that stays open, and an assert on the status."""

from loads.case import TestCase


class TestGet(TestCase):
    def test_get(self):
        response = self.session.get(self.server_url + "/")
        self.assertEqual(response.status_code, 200)  # noqa: PT009 - a load test is a unittest
