"""A page through WebTest's API, and a look for a word in it."""

from loads.case import TestCase


class TestApp(TestCase):
    def test_page(self):
        response = self.app.get("/")
        self.assertIn("well", response)  # noqa: PT009 - a load test is a unittest
