"""The report as a person sees it, in a real browser."""

import pytest

pytest.importorskip("selenium")
from selenium.webdriver.support.ui import WebDriverWait

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


def test_what_scrolls_says_so_and_shows_the_last_step_first(browser, url):
    boxes = "[...document.querySelectorAll('.scroll')]"
    with shown(browser, width=390):
        browser.get(url)
        told = browser.execute_script(
            f"return {boxes}.map(b => [b.scrollWidth - b.clientWidth, b.previousElementSibling.hidden])"
        )
        assert any(rest > 1 for rest, _ in told)
        assert all(hidden == (rest <= 1) for rest, hidden in told)
        box = "document.querySelector('.maps .scroll')"
        left, rest = browser.execute_script(f"const b = {box}; return [b.scrollLeft, b.scrollWidth - b.clientWidth]")
        assert rest > 1
        assert left == pytest.approx(rest, abs=1)
        hint = f"return {box}.previousElementSibling.textContent"
        assert browser.execute_script(hint) == "← Scroll sideways for the rest"
        # The steps of all photos stand below each other.
        edges = "[...t.tHead.rows[0].cells].map(c => Math.round(c.getBoundingClientRect().left))"
        columns = browser.execute_script(f"return [...document.querySelectorAll('.maps table')].map(t => {edges})")
        assert len(columns) == 2
        assert columns[0] == columns[1]
    assert console_errors(browser) == []


def test_the_command_wraps_and_is_copied_by_a_press(browser, url):
    with shown(browser, width=390):
        browser.get(url)
        pre = "document.querySelector('.command pre')"
        assert browser.execute_script(f"return {pre}.scrollWidth <= {pre}.clientWidth")
        browser.execute_cdp_cmd(
            "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
        )
        button = browser.find_element("css selector", ".command button")
        assert button.text == "Copy"
        button.click()
        WebDriverWait(browser, 10).until(lambda _: button.text == "Copied")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_read_it(browser, url, axe, scheme):
    with shown(browser, scheme=scheme):
        browser.get(url)
        assert serious_faults(browser, axe) == []
