"""Fifty users that ask ten times a second, as far as they can: Locust's way to 500 requests a second."""

import locust_users
from locust import constant_throughput, task


class Fast(locust_users.Fast):
    wait_time = constant_throughput(10)

    @task
    def get(self):
        self.client.get("/")
