"""GETs of 50 pages in turn, so that a worker's memory is measured with as many series as a real site has."""

from loads.case import TestCase

PAGES = 50


class TestPages(TestCase):
    def test_page(self):
        response = self.session.get(f"{self.server_url}/page/{self.user.iteration % PAGES}")
        self.assertEqual(response.status_code, 200)  # noqa: PT009 - a load test is a unittest
