"""Tests of the example site: they pass under unittest and pytest, and they are load tests.

python examples/target.py --port 8000
loads-runner examples/test_site.py -u 50 -d 10s --server-url http://127.0.0.1:8000
"""

from loads.case import TestCase, weight


class TestSite(TestCase):
    server_url = "http://127.0.0.1:8000"

    @weight(5)
    def test_home(self):
        self.assertIn("island", self.app.get("/"))
        self.incr_counter("island-was-there")

    @weight(3)
    def test_json(self):
        response = self.session.get(f"{self.server_url}/json", params={"user": self.user.user}, name="/json")
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.json()["palms"], [1, 2, 3])

    def test_login(self):
        with self.transaction("log in"):
            self.app.get("/login")
            page = self.app.post("/login", {"name": f"user-{self.user.user}"}).follow()
        self.assertIn(f"Hello user-{self.user.user}.", page)
