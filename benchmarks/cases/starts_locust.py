"""What starts_loads.py does, for both of Locust's HTTP users. Runs in Locust's own environment.

Prints how long it took from the start of the test to the last user's answer, and ends the run then.
"""

import time

import gevent
import locust_users
from locust import events, task
from locust.exception import StopUser


class Clock:
    """Counts users who had their answer, and knows since when."""

    def __init__(self):
        self.begin_s = 0.0
        self.users = 0

    def begin(self, **_):
        self.begin_s = time.perf_counter()

    def count(self, environment):
        self.users += 1
        if self.users == environment.parsed_options.num_users:
            print(f"started {self.users} in {time.perf_counter() - self.begin_s:.6f} s", flush=True)
            # Not from here: to quit is to end the user that runs this, too.
            gevent.spawn(environment.runner.quit)


clock = Clock()
events.test_start.add_listener(clock.begin)


class Plain(locust_users.Plain):
    @task
    def first_page(self):
        response = self.client.get("/")
        if response.status_code != 200:
            raise AssertionError(response.status_code)
        clock.count(self.environment)
        raise StopUser


class Fast(locust_users.Fast):
    @task
    def first_page(self):
        response = self.client.get("/")
        if response.status_code != 200:
            raise AssertionError(response.status_code)
        clock.count(self.environment)
        raise StopUser
