import io
import threading

import pytest

from jdnet_jax.process import progress


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61.4, "1:01"), (3725, "1:02:05"), (-3, "0:00")])
def test_duration(seconds, text):
    assert progress.duration(seconds) == text


def test_line_has_place_loss_accuracies_speed_and_eta(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    bar = progress.Progress(40, batch_size=8, out=out)
    now[0] += 60  # compiling
    bar.restart_clock(1)
    now[0] += 5
    bar.pause(3)  # an evaluation in between
    rate = bar.rate(11)
    assert rate == pytest.approx(10 * 8 / 2)
    bar.line(11, {"loss/total": 1.25, "accuracy/student": 0.5, "accuracy/teacher": 0.625}, rate)
    bar.line(12, {"loss/total": 1.0}, 0.6)
    # 29 steps at 0.2 s.
    told, slow = out.getvalue().splitlines()
    assert told == "step 11/40 (28%)  loss 1.250  on train: student 50.0%  teacher 62.5%  40 images/s  ETA 0:06"
    assert slow == "step 12/40 (30%)  loss 1.000  0.6 images/s  ETA 0:06"


def test_an_empty_window_has_no_rate():
    bar = progress.Progress(10, batch_size=8, out=io.StringIO())
    bar.restart_clock(5)
    assert bar.rate(5) is None


class Pieces(io.StringIO):
    """Text that keeps each piece in which it was written."""

    def __init__(self):
        super().__init__()
        self.pieces = []

    def write(self, text):
        self.pieces.append(text)
        return super().write(text)


def test_a_line_is_written_in_one_piece_since_other_threads_write_too(monkeypatch):
    out, errors, bar = Pieces(), Pieces(), Pieces()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", errors)
    progress.show("two\nlines")
    progress.say("a line")
    progress.Progress(10, batch_size=8, out=bar).say("another")
    assert (out.pieces, errors.pieces, bar.pieces) == (["two\nlines\n"], ["a line\n"], ["another\n"])


class Lines(io.StringIO):
    """Text that says when a number of lines is there."""

    def __init__(self, wanted):
        super().__init__()
        self.wanted, self.there = wanted, threading.Event()

    def write(self, text):
        written = super().write(text)
        if self.getvalue().count("\n") >= self.wanted:
            self.there.set()
        return written


def test_long_work_shows_signs_of_life_until_it_is_done():
    out = Lines(wanted=2)
    bar = progress.Progress(10, batch_size=8, out=out)
    with bar.alive("compiling", every=0.001):
        assert out.there.wait(timeout=60)
    lines = out.getvalue().splitlines()
    assert set(lines) == {"still compiling after 0:00"}
    assert not [thread for thread in threading.enumerate() if thread.name == "signs of life"]


def test_short_work_says_nothing():
    out = io.StringIO()
    bar = progress.Progress(10, batch_size=8, out=out)
    with bar.alive("compiling"):
        pass
    assert out.getvalue() == ""


def test_an_eta_is_told_after_the_second_step_and_then_when_it_was_not_for_long(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    bar = progress.Progress(60, batch_size=8, out=out)
    bar.tick(0)  # nothing is known before the first step
    bar.restart_clock(1)
    bar.tick(1)
    assert out.getvalue() == ""
    now[0] += 5
    bar.pause(3)
    bar.tick(2)
    now[0] += 2
    bar.tick(3)  # told a moment ago
    now[0] += progress.SIGN_OF_LIFE
    bar.tick(19)
    now[0] += 2
    rate = bar.rate(20)
    bar.line(20, {"loss/total": 1.0}, rate)
    now[0] += 3
    bar.tick(21)  # the line told it
    first, second, line = out.getvalue().splitlines()
    assert first == "step 2/60 (3%)  ETA 1:56"  # 58 steps at 2 s
    assert second == "step 19/60 (32%)  ETA 1:17"  # 41 steps at 34 s / 18
    assert line.endswith("ETA 1:16")  # 40 at 36 s / 19


def test_signs_of_life_tell_what_is_done_now():
    out = Lines(wanted=1)
    bar = progress.Progress(10, batch_size=8, out=out)
    with bar.alive("reading", every=0.001) as now:
        assert out.there.wait(timeout=60)
        now("compiling")
        before = out.getvalue().count("\n")
        out.wanted = before + 2  # the first may have been on its way
        out.there.clear()
        assert out.there.wait(timeout=60)
    lines = out.getvalue().splitlines()
    assert lines[0] == "still reading after 0:00"
    assert lines[-1] == "still compiling after 0:00"


def test_a_first_call_is_told_to_compile():
    told = []

    def step(x):
        told.append(x)
        return x + 1

    run = progress.first_compiles(step, told.append, "evaluating")
    assert (run(1), run(2)) == (2, 3)
    assert told == ["compiling", 1, "evaluating", 2]
