"""Durations, sizes and permission bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.config import quantities


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("12h", 43_200.0),
        ("7d", 604_800.0),
        ("1.5s", 1.5),
        ("0", 0.0),
        ("0s", 0.0),
        (30, 30.0),
        (0.25, 0.25),
        (0, 0.0),
    ],
)
def test_a_duration_is_seconds_or_a_text_with_a_unit(written: object, seconds: float):
    """Durations are numbers of seconds or "500ms", "30s", "5m", "12h", "7d"."""
    assert quantities.duration(written) == seconds


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("30", '"30" lacks its unit: write "30s", or 30 without quotation marks for seconds'),
        ("3sec", 'unknown unit in "3sec": write one of ms, s, m, h, d'),
        ("5M", 'unknown unit in "5M": write "m"'),
        ("-1s", 'not "-1s"'),
        ("", 'not ""'),
        ("1 s", 'not "1 s"'),
        ("٣s", "must be a duration"),
        (-1, "must not be negative"),
        (True, "must be a duration"),
        (None, "must be a duration"),
        (["1s"], "must be a duration"),
        (float("nan"), "must be a duration"),
        (float("inf"), "must not be longer"),
        ("367d", "must not be longer"),
        (10**400, "must not be longer"),
    ],
)
def test_what_is_no_duration_is_explained(written: object, problem: str):
    """A duration that cannot be read says what to write instead."""
    with pytest.raises(ValueError) as caught:
        quantities.duration(written)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("64KiB", 65536),
        ("512MiB", 512 << 20),
        ("1.5KiB", 1536),
        ("7B", 7),
        ("0", 0),
        (0, 0),
        (65536, 65536),
        ("2GiB", 2 << 30),
    ],
)
def test_a_size_is_bytes_or_a_text_with_a_binary_unit(written: object, count: int):
    """Sizes are numbers of bytes or "64KiB", "512MiB"."""
    assert quantities.size(written) == count


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("10MB", 'unknown unit in "10MB": write "MiB"'),
        ("10kb", 'write "KiB"'),
        ("1K", 'write "KiB"'),
        ("100", '"100" lacks its unit: write "100KiB", or 100 without quotation marks for bytes'),
        ("1.0001KiB", "whole number of bytes"),
        (1.5, "must be a size"),
        (-1, "must not be negative"),
        (True, "must be a size"),
        (1 << 70, "more than any machine has"),
    ],
)
def test_what_is_no_size_is_explained(written: object, problem: str):
    """Decimal units are refused with the binary one that was probably meant."""
    with pytest.raises(ValueError) as caught:
        quantities.size(written)
    assert problem in str(caught.value)


@pytest.mark.parametrize(("written", "bits"), [("0o660", 0o660), ("660", 0o660), ("0660", 0o660), ("000", 0)])
def test_permission_bits_are_octal_text(written: str, bits: int):
    """Octal with or without its prefix."""
    assert quantities.octal(written) == bits


@pytest.mark.parametrize("written", [0o660, 660, "0o1000", "888", "rw-rw----", "", True, "66", "0o660\n"])
def test_other_permission_bits_are_refused(written: object):
    """A TOML integer cannot say whether it was meant as octal, so it is refused."""
    with pytest.raises(ValueError, match=r"octal text like \"0o660\", in quotation marks"):
        quantities.octal(written)


@given(st.floats(min_value=0, max_value=1e7))
def test_a_duration_survives_being_written(seconds: float):
    """Reading what was written gives the same value."""
    assert quantities.duration(quantities.duration_text(seconds)) == seconds


@given(st.integers(0, 10**7))
def test_whole_milliseconds_are_written_as_text(milliseconds: int):
    """Every duration of whole milliseconds has an exact text."""
    written = quantities.duration_text(milliseconds / 1000)
    assert isinstance(written, str)
    assert quantities.duration(written) == milliseconds / 1000


@given(st.integers(0, 1 << 50))
def test_a_size_survives_being_written(count: int):
    """Reading what was written gives the same value."""
    assert quantities.size(quantities.size_text(count)) == count


@given(st.integers(0, 0o777))
def test_permission_bits_survive_being_written(bits: int):
    """Reading what was written gives the same value."""
    assert quantities.octal(quantities.octal_text(bits)) == bits
