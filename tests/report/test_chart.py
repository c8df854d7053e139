import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.report import chart
from jdnet_jax.report.chart import Line

finite = st.floats(-1e6, 1e6).map(lambda x: round(x, 6))


@given(low=finite, span=st.floats(1e-3, 1e6), count=st.integers(2, 8))
def test_ticks_are_round_and_hold_the_values(low, span, count):
    found = chart.ticks(low, low + span, count)
    step = found[1] - found[0]
    assert found[0] <= low + 1e-6 * step
    assert found[-1] >= low + span - 1e-6 * step
    assert 2 <= len(found) <= 4 / 3 * count + 2
    leading = float(f"{step:e}".partition("e")[0])
    assert min(abs(leading - digit) for digit in (1, 2, 5, 10)) < 1e-4


def test_ticks_by_hand():
    assert chart.ticks(0.2, 0.78) == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert chart.ticks(0, 2000, 4) == [0, 500, 1000, 1500, 2000]
    assert len(chart.ticks(3.0, 3.0)) >= 2  # a line that is level


def test_numbers():
    assert chart.number(0.5, percent=True) == "50 %"
    assert [chart.number(value) for value in (0.0, 0.004, 2e-4, 250, 123456)] == [
        "0",
        "0.004",
        "0.0002",
        "250",
        "1.2e+05",
    ]


def test_many_points_become_means_of_neighbours():
    xs, ys = chart.thinned(range(1, 9), [1, 3, 5, 7, 2, 2, 0, 4], 4)
    assert (xs, ys) == ([2, 4, 6, 8], [2, 6, 2, 2])
    few = ([1, 2], [3.0, 4.0])
    assert chart.thinned(*few) == few


def test_a_line_goes_from_the_lower_left_to_the_upper_right():
    drawn = str(chart.lines([Line("a", [0, 10], [0.0, 1.0])], title="t", x_name="step"))
    start, end = re.search(r'class="line s0" d="M([\d. ]+)L([\d. ]+)"', drawn).groups()
    (x0, y0), (x1, y1) = ([float(part) for part in point.split()] for point in (start, end))
    assert x0 < x1 <= chart.WIDTH
    assert y0 > y1 >= 0
    assert "<title>a, step 10: 1</title>" in drawn


def test_names_at_the_ends_do_not_lie_over_each_other_and_stay_inside():
    lines = [Line(f"line {i}", [0, 1], [0.0, 0.001 * i]) for i in range(6)]
    drawn = str(chart.lines(lines, title="t", x_name="step", y_range=(0.0, 1.0)))
    heights = sorted(float(y) for y in re.findall(r'y="([\d.]+)" class="label', drawn))
    assert len(heights) == 6
    assert all(b - a >= 12 for a, b in itertools.pairwise(heights))
    assert heights[0] > 0
    assert heights[-1] <= chart.HEIGHT


def test_a_point_alone_can_be_drawn_and_text_is_escaped():
    drawn = str(chart.lines([Line("<b>", [5], [2.0]), Line("c", [5], [2.0])], title='"t"', x_name="step"))
    assert "&lt;b&gt;" in drawn
    assert "<b>" not in drawn
    assert 'aria-label="&#34;t&#34;"' in drawn
