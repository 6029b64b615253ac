"""What get_loads.py does, for both of Locust's HTTP users. Runs in Locust's own environment.

No wait_time: a user's next request follows at once, as in Loads and in wrk.
"""

from locust import FastHttpUser, HttpUser, task


class Plain(HttpUser):
    @task
    def get(self):
        response = self.client.get("/")
        if response.status_code != 200:
            raise AssertionError(response.status_code)


class Fast(FastHttpUser):
    @task
    def get(self):
        response = self.client.get("/")
        if response.status_code != 200:
            raise AssertionError(response.status_code)
