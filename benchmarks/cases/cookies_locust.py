"""What cookies_loads.py does, for both of Locust's HTTP users. Runs in Locust's own environment."""

import locust_users
from locust import task


class Plain(locust_users.Plain):
    def on_start(self):
        self.client.get("/login")

    @task
    def basket(self):
        response = self.client.get("/basket")
        if response.status_code != 200:
            raise AssertionError(response.status_code)


class Fast(locust_users.Fast):
    def on_start(self):
        self.client.get("/login")

    @task
    def basket(self):
        response = self.client.get("/basket")
        if response.status_code != 200:
            raise AssertionError(response.status_code)
