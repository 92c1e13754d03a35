"""The counters on the cases networks document, and the rules as data."""

import tomllib
from datetime import date
from pathlib import Path

import pytest

from mypost import networks
from mypost.networks import Measure, text

FAMILY = "👨‍👩‍👧‍👦"
LONG_URL = "https://example.com/" + "a" * 180
RULES = tomllib.loads((Path(networks.__file__).parent / "rules.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("counter", "given", "length"),
    [
        (text.characters, "e\u0301", 2),
        (text.characters, "", 0),
        (text.graphemes, "e\u0301", 1),
        (text.graphemes, "🇩🇪", 1),
        (text.graphemes, "🇩🇪🇫🇷", 2),
        (text.graphemes, FAMILY * 300, 300),
        (text.graphemes, "क्षि", 1),
        (text.graphemes, "\r\n", 1),
        (text.graphemes, "👍🏽", 1),
        (text.utf8_bytes, FAMILY * 300, 7500),
        (text.utf8_bytes, "Привет", 12),
        (text.utf8_bytes, "😀", 4),
        (text.utf16, "😀", 2),
        (text.utf16, "Привет", 6),
        (text.weighted, "x" * 280, 280),
        (text.weighted, "漢" * 140, 280),
        (text.weighted, "漢" * 141, 282),
        (text.weighted, FAMILY, 2),
        (text.weighted, "🇩🇪", 2),
        (text.weighted, "1️⃣", 2),
        (text.weighted, "e\u0301", 1),
        (text.weighted, "\u2013\u201c\u201d\u2026", 5),
        (text.weighted, LONG_URL, 23),
        (text.weighted, f"see {LONG_URL}.", 28),
        (text.weighted, "example.com", 23),
        (text.weighted, "www.example.co.uk/path?q=1", 23),
        (text.weighted, "a https://a.example/x b.com c", 51),
        (text.weighted, "見てhttps://a.example/x漢字", 31),
        (text.weighted, "見てexample.com漢字", 31),
        (text.weighted, "example.com/", 23),
        (text.weighted, "end.Next e.g. me@example.com", 28),
        (text.shortened, LONG_URL, 23),
        (text.shortened, f"({LONG_URL})", 25),
        (text.shortened, "hi @user@example.social", 8),
        (text.shortened, "https://example.com/@user@example.social", 23),
        (text.shortened, FAMILY, 1),
        (text.escaped, "x" * 2999 + "(", 3001),
        (text.escaped, r"\|{}@[]()<>#*_~", 30),
        (text.escaped, "plain.", 6),
    ],
)
def test_a_counter_counts(counter, given, length):
    assert counter(given) == length


@pytest.mark.parametrize("key", RULES)
def test_a_rule_is_whole_and_names_its_source(key):
    rule = RULES[key]

    assert key in networks.discover()
    assert isinstance(rule["verified_on"], date)
    assert rule["source"]
    assert 0 <= rule["media"]["min"] <= rule["media"]["max"]
    for measure, limit in zip(text.measure(key, "x", 0), rule["text"], strict=False):
        assert (measure.unit, measure.limit) == (limit["unit"], limit["max"])


@pytest.mark.parametrize("key", RULES)
def test_a_limit_is_inclusive(key):
    limit = RULES[key]["text"][0]["max"]

    assert text.measure(key, "x" * limit, 0)[0].fits
    assert not text.measure(key, "x" * (limit + 1), 0)[0].fits


def test_a_text_may_be_empty_only_beside_media():
    key = next(iter(RULES))

    assert not text.measure(key, "", 0)[0].fits
    assert text.measure(key, "", 1)[0].fits


def test_a_measure_fits_between_its_ends():
    assert Measure("media", 2, 4, 1).fits
    assert not Measure("media", 0, 4, 1).fits
    assert not Measure("media", 5, 4, 1).fits
