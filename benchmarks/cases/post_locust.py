"""What post_loads.py does, for both of Locust's HTTP users. Runs in Locust's own environment."""

import locust_users
from locust import task


class Plain(locust_users.Plain):
    @task
    def order(self):
        order = {"customer": 1042, "article": "walnut desk", "quantity": 2, "express": True, "price": 349.5}
        response = self.client.post("/orders", json=order)
        if response.status_code != 200:
            raise AssertionError(response.status_code)


class Fast(locust_users.Fast):
    @task
    def order(self):
        order = {"customer": 1042, "article": "walnut desk", "quantity": 2, "express": True, "price": 349.5}
        response = self.client.post("/orders", json=order)
        if response.status_code != 200:
            raise AssertionError(response.status_code)
