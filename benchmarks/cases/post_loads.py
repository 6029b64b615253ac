"""A small JSON document, encoded anew for each request; nginx refuses another than this (see answers.py)."""

from loads.case import TestCase


class TestPost(TestCase):
    def test_order(self):
        order = {"customer": 1042, "article": "walnut desk", "quantity": 2, "express": True, "price": 349.5}
        response = self.session.post(self.server_url + "/orders", json=order)
        self.assertEqual(response.status_code, 200)  # noqa: PT009 - a load test is a unittest
