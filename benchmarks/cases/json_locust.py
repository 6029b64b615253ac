"""What json_loads.py does, for both of Locust's HTTP users. Runs in Locust's own environment."""

import locust_users
from locust import task


class Plain(locust_users.Plain):
    @task
    def orders(self):
        found = self.client.get("/orders.json").json()["next"]
        if found != "/orders.json?page=8":
            raise AssertionError(found)


class Fast(locust_users.Fast):
    @task
    def orders(self):
        found = self.client.get("/orders.json").json()["next"]
        if found != "/orders.json?page=8":
            raise AssertionError(found)
