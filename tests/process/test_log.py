import logging

import pytest

from jdnet_jax.process.log import WarningsOnScreen


@pytest.fixture
def logger():
    own = logging.Logger("own")
    own.addHandler(WarningsOnScreen())
    return own


def test_the_first_line_of_a_warning_is_printed_and_no_traceback(logger, capsys):
    logger.info("details")
    logger.warning("%d of them\nand more", 3)
    logger.error("")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logger.exception("a thread failed")
    logger.warning("Requested `tracked_metric`; did not provide metrics.")  # of Orbax, and meant so
    assert capsys.readouterr().err.splitlines() == ["warning: 3 of them", "error: "]
