"""A real headless Chromium, driven by Selenium, for the tests of pages; they skip where there is none.

`apt-get install chromium chromium-driver` brings both programs; CHROMIUM and CHROMEDRIVER name others.
"""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_AXE = Path(__file__).resolve().parent / "axe"  # the package, and its version

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a camera that shows a test picture
    "--use-fake-ui-for-media-stream",  # which every page may use
)


class NoBrowserError(Exception):
    """There is no browser that can be driven; the message says what to install."""


@contextlib.contextmanager
def opened(profile):
    """A browser of its own, with this folder as its profile.

    Raises:
        NoBrowserError: Chromium, its driver or Selenium is not installed.
    """
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        raise NoBrowserError("selenium is not installed") from None
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    if not program or not driver:
        raise NoBrowserError("no Chromium with its chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield started
    finally:
        started.quit()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """The browser, one for all tests of a process."""
    try:
        with opened(tmp_path_factory.mktemp("chromium")) as started:
            yield started
    except NoBrowserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The text of axe-core, which finds faults of accessibility, at the version of `axe/package-lock.json`."""
    if not (npm := shutil.which("npm")):
        pytest.skip("no npm, which fetches axe-core")
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_AXE / name, folder)
    fetch = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    result = subprocess.run(fetch, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if result.returncode:
        pytest.skip(f"npm ci: {result.stderr.strip()[-300:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@contextlib.contextmanager
def shown(driver, *, scheme="light", width=1280, height=900):
    """The browser as a person's who likes this colour scheme, with a window of this size in CSS pixels."""
    _emulate(driver, scheme, width, height)
    try:
        yield driver
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def _emulate(driver, scheme, width, height):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def console_errors(driver):
    """What the page has complained of since this was last asked: errors of scripts, and requests that failed."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def serious_faults(driver, axe):
    """The serious and critical faults of accessibility that axe-core finds on the page, a line each."""
    driver.execute_script(f"if (!window.axe) {{ {axe} ; }}")
    found = driver.execute_async_script(
        "const done = arguments[0]; axe.run(document).then(r => done(r.violations), e => done([{impact: 'critical',"
        " id: String(e), nodes: []}]));"
    )
    return [
        f"{fault['id']}: {json.dumps([node['html'] for node in fault['nodes']])}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
