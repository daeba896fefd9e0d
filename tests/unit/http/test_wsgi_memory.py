"""What is remembered of environs, fields and statuses: it changes nothing, and is bounded."""

from __future__ import annotations

import pytest

from prefork.http import wsgi
from prefork.http.forwarded import Trust
from prefork.http.wsgi import EnvironBuilder, plain
from tests.unit.http.test_wsgi import BASE, answered, lines, request


class Counting(Trust):
    """How often the fields of a proxy are understood."""

    def __init__(self, proxies):
        super().__init__(proxies)
        self.applied, understand = 0, self.apply

        def counting(environ):
            self.applied += 1
            understand(environ)

        self.apply = counting


class Odd(str):
    """A text that is equal to another, and hashes as that."""

    __slots__ = ()

    def __eq__(self, _other):
        return True

    def __hash__(self):
        return hash("X-Known")


class OddPair(tuple):
    """A pair that is equal to another, and hashes as that."""

    __slots__ = ()

    def __eq__(self, _other):
        return True

    def __hash__(self):
        return hash(("X-Known", "1"))


class TestMemory:
    """What is remembered changes nothing, and is bounded."""

    def test_the_same_headers_are_understood_twice_at_most(self):
        """The third request with the very same ones has a copy of what came of them."""
        trust = Counting(["192.0.2.1"])
        builder, asked = EnvironBuilder(BASE, trust), request(b"X-Forwarded-For: 198.51.100.1")
        made = [builder.of(asked) for _ in range(5)]
        assert trust.applied == 2
        assert all(environ == made[0] for environ in made)
        assert builder.of(request())["REMOTE_ADDR"] == "192.0.2.1"
        assert builder.remote == "192.0.2.1"

    @pytest.mark.parametrize("pair", [(Odd("X-Other"), "1"), OddPair(("X-Other", "1"))])
    def test_a_text_that_claims_to_be_another_is_what_it_says(self, pair):
        """Only plain texts are looked up."""
        assert "X-Known: 1" in lines(answered(("X-Known", "1"))[1])
        assert lines(answered(pair)[1])[1] == "X-Other: 1"

    def test_a_value_that_claims_to_be_another_is_what_it_says(self):
        """As its name."""
        answered(("X-Other", "X-Known"))
        assert lines(answered(("X-Other", Odd("mine")))[1])[1] == "X-Other: mine"

    def test_texts_are_made_plain(self):
        """A subclass may print as it pleases."""
        assert type(plain(Odd("x"))) is str
        assert str.__eq__(plain(Odd("x")), "x")

    def test_fields_are_remembered_within_bounds(self):
        """To the character of a value; when the memory is full it begins anew."""
        wsgi._fields.clear()
        for length, kept in ((wsgi.CACHED_LENGTH, 1), (wsgi.CACHED_LENGTH + 1, 1)):
            answered(("X", "a" * length))
            assert len(wsgi._fields) == kept
        for number in range(wsgi.CACHE_SIZE - 1):
            answered(("X", str(number)))
        assert len(wsgi._fields) == wsgi.CACHE_SIZE == 1024
        answered(("X", "last"))
        assert list(wsgi._fields) == [("X", "last")]
        answered(("X", "one more"))
        assert len(wsgi._fields) == 2
        assert wsgi.CACHED_LENGTH == 256

    def test_statuses_are_remembered_within_bounds(self):
        """As fields are."""
        wsgi._statuses.clear()
        for number in range(wsgi.CACHE_SIZE):
            answered(status=f"200 {number}")
        assert len(wsgi._statuses) == wsgi.CACHE_SIZE
        answered(status="200 last")
        assert list(wsgi._statuses) == ["200 last"]
        answered(status="200 one more")
        assert len(wsgi._statuses) == 2

    def test_a_status_that_claims_to_be_another_is_what_it_says(self):
        """Only plain texts are looked up."""

        class OddStatus(Odd):
            __slots__ = ()

            def __hash__(self):
                return hash("200 OK")

        answered(status="200 OK")
        assert answered(status=OddStatus("404 Not Found"))[0].code == 404
