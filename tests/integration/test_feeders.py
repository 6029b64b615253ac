"""Rows of files for virtual users, in real runs: nobody has another's."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.cluster import run_cluster
from tests.commands import LoadsRunner
from tests.pages import example

SHOP = """
from loads.case import TestCase

class TestShop(TestCase):
    def test_it(self):
        row = self.feed("users.csv", policy="stop")
        self.incr_counter(f"row {row['id']} of {self.user.user}")

    def test_cycle(self):
        self.incr_counter(f"row {self.feed('users.csv')['id']}")
"""
USERS = "id,name\n" + "".join(f'{row},"Ann, the {row}th"\n' for row in range(23))


@pytest.fixture
def shop(loads: LoadsRunner) -> LoadsRunner:
    loads.write("shop.py", SHOP)
    loads.write("users.csv", USERS)
    return loads


@pytest.mark.parametrize("workers", ["0", "2"])
def test_each_row_is_one_users_and_who_has_none_left_ends(shop: LoadsRunner, workers: str) -> None:
    run = shop.run("shop.TestShop.test_it", "-u", "5", "--hits", "100", "--workers", workers)
    assert run.document["counters"] == {f"row {row} of {row % 5}": 1 for row in range(23)}
    assert (run.totals["success"], run.totals["skipped"], run.totals["errors"]) == (23, 5, 0)


def test_at_a_rate_workers_deal_the_rows_in_turn(shop: LoadsRunner) -> None:
    run = shop.run(
        *("shop.TestShop.test_cycle", "--arrival-rate", "100/s", "-d", "2s", "--max-users", "4", "--workers", "2")
    )
    assert run.totals["errors"] == 0, run.err
    times = Counter(run.document["counters"])
    assert len(times) == 23
    assert sum(times.values()) == run.totals["success"]
    assert max(times.values()) - min(times.values()) <= 3


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (None, "there is no users.csv to feed from"),
        ("id\n", "users.csv holds no rows"),
        ("id,name\n1\n", "line 2: it has 1 fields, and there are 2 columns"),
        ("id\n1\n2\n", "users.csv has 2 rows, and 3 users each need one of their own"),
    ],
)
def test_a_file_that_cant_be_fed_from_refuses_the_run(shop: LoadsRunner, file: str | None, said: str) -> None:
    (shop.directory / "users.csv").unlink()
    if file is not None:
        shop.write("users.csv", file)
    run = shop.run("shop", "-u", "3", "--hits", "5")
    assert run.exit_code == 2
    assert said in run.err
    assert run.err.count(said) == 1


def test_on_a_cluster_the_file_comes_along_and_no_two_agents_have_the_same_row(loads: LoadsRunner) -> None:
    with run_cluster("north", "south") as cluster:
        cluster.write("shop.py", SHOP)
        cluster.write("users.csv", USERS)
        run = cluster.run("shop.TestShop.test_it", "-u", "5", "--hits", "100", "--agents", "2")
    assert run.document["counters"] == {f"row {row} of {row % 5}": 1 for row in range(23)}


def test_the_example_of_the_documentation_is_so(loads: LoadsRunner, site: str) -> None:
    loads.write("doc.py", example("writing-tests.rst", "Rows for users"))
    loads.write("users.csv", 'name,city\nann,Paris\n"bob, the 2nd",Rome\n')
    run = loads.run("doc", "-u", "2", "--workers", "2", "--server-url", site)
    assert (run.exit_code, run.totals["success"]) == (0, 2), run.err
