import time

import jax
import pytest

from jdnet_jax.benchmark import machine


def test_the_peak_of_several_products_in_a_row(monkeypatch):
    monkeypatch.setattr(machine, "_ON_CPU", (64, 3))
    seconds = iter([0.5, 0.25, 1.0, 1.0, 1.0])
    products = []

    def timed(run):
        products.append(run())
        return next(seconds)

    monkeypatch.setattr(machine, "_seconds", timed)
    assert machine.matrix_product_peak("float32") == 2 * 64**3 * 3 / 0.25  # however many CPU devices there are
    assert products[0].shape == (64, 64)
    assert products[0] == pytest.approx(0.5)  # neither grows nor vanishes, however many follow


def test_each_accelerator_has_the_peak(monkeypatch):
    monkeypatch.setattr(machine, "_ON_ACCELERATOR", (64, 2))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(machine, "_seconds", lambda run: 0.25)
    assert machine.matrix_product_peak("bfloat16") == 2 * 64**3 * 2 / 0.25 * jax.local_device_count()


def test_a_process_grows_older():
    before = machine.process_age()
    if before is None:
        pytest.skip("this system does not tell when a process began")
    time.sleep(0.05)
    assert before + 0.03 < machine.process_age() < before + 60
