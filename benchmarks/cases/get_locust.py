"""What get_loads.py does, for both of Locust's HTTP users. Runs in Locust's own environment.

No wait_time: a user's next request follows at once, as in Loads and in wrk.
"""

import locust_users
from locust import task


class Plain(locust_users.Plain):
    @task
    def get(self):
        response = self.client.get("/")
        if response.status_code != 200:
            raise AssertionError(response.status_code)


class Fast(locust_users.Fast):
    @task
    def get(self):
        response = self.client.get("/")
        if response.status_code != 200:
            raise AssertionError(response.status_code)
