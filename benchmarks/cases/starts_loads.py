"""A new user with a connection of its own, who asks once: with ``--hits 1`` an iteration is a user's first and last."""

from loads.case import TestCase


class TestStart(TestCase):
    def test_first_page(self):
        response = self.session.get(self.server_url + "/")
        self.assertEqual(response.status_code, 200)  # noqa: PT009 - a load test is a unittest
