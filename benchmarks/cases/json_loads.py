"""A page of JSON, parsed as a whole: the value that is asserted stands at its end."""

from loads.case import TestCase


class TestJson(TestCase):
    def test_orders(self):
        response = self.session.get(self.server_url + "/orders.json")
        self.assertEqual(response.json()["next"], "/orders.json?page=8")  # noqa: PT009 - a load test is a unittest
