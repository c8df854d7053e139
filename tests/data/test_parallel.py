import threading

import pytest

from jdnet_jax.data import parallel


def test_results_come_in_the_order_of_the_items(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    second_began = threading.Event()

    def slow_first(item):
        if item == 0:
            assert second_began.wait(10)
        second_began.set()
        return item * item

    assert list(parallel.in_order(slow_first, range(50))) == [item * item for item in range(50)]


def test_works_little_ahead_of_what_is_asked_for(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    taken = []

    def items():
        for item in range(1000):
            taken.append(item)
            yield item

    results = parallel.in_order(str, items())
    assert [next(results) for _ in range(3)] == ["0", "1", "2"]
    assert len(taken) <= 3 + 4
    results.close()


def test_as_many_threads_as_are_asked_for():
    names = set(parallel.in_order(lambda item: threading.current_thread().name, range(50), 1))
    assert len(names) == 1
    together = threading.Barrier(3, timeout=10)
    assert list(parallel.in_order(lambda item: together.wait() >= 0, range(3), 3)) == [True] * 3


def test_errors_come_where_their_item_is():
    def refuse_three(item):
        if item == 3:
            raise ValueError("three")
        return item

    results = parallel.in_order(refuse_three, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_no_items():
    assert list(parallel.in_order(str, [])) == []
