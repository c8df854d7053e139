"""The report as a person sees it, in a real browser."""

import pytest

from jdnet_jax.report import page
from tests.browser import console_errors, serious_faults, shown
from tests.report import workdir

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    place = workdir.make(tmp_path_factory.mktemp("run"))
    page.write(place)
    return place.report.as_uri()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_it_fits_the_screen_without_an_error(browser, url, width, scheme):
    with shown(browser, scheme=scheme, width=width):
        browser.get(url)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 20, 20)"}[scheme]
        pictures = browser.execute_script("return [...document.images].every(i => i.complete && i.naturalWidth > 0)")
        assert pictures
    assert console_errors(browser) == []


def test_a_press_on_a_head_sorts_by_that_column(browser, url):
    browser.get(url)
    table = "[...document.querySelectorAll('table.sortable')].at(-1)"  # of the classes; the one before is of photos
    column = f"return [...{table}.querySelectorAll('tbody tr')].map(r => r.cells[2].dataset.value)"
    press = f"{table}.querySelectorAll('thead button')[2].click()"
    given = [float(value) for value in browser.execute_script(column)]
    for reverse in (True, False):
        browser.execute_script(press)
        found = [float(value) for value in browser.execute_script(column)]
        assert found == sorted(given, reverse=reverse)
    assert given == [0.8, 0.4, 1.0]
    head = f"return {table}.querySelectorAll('thead th')[2].getAttribute('aria-sort')"
    assert browser.execute_script(head) == "ascending"
    assert console_errors(browser) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_read_it(browser, url, axe, scheme):
    with shown(browser, scheme=scheme):
        browser.get(url)
        assert serious_faults(browser, axe) == []
