"""A login sets three cookies, and every request after it sends them: without them nginx answers 403."""

from loads.case import TestCase


class TestCookies(TestCase):
    def test_basket(self):
        if self.user.iteration == 0:
            self.session.get(self.server_url + "/login")
        response = self.session.get(self.server_url + "/basket")
        self.assertEqual(response.status_code, 200)  # noqa: PT009 - a load test is a unittest
