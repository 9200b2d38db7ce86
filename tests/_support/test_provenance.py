import datetime
import hashlib
import importlib.metadata
import json
import platform
import re

from jaxcost._support.provenance import provenance


def test_it_says_what_with_when_and_where():
    known = provenance("t.csv", b"content", seed=3)
    assert known["table"] == "t.csv"
    assert known["table_sha256"] == hashlib.sha256(b"content").hexdigest()
    assert known["jax"] == importlib.metadata.version("jax")
    assert known["host"] == platform.node()
    assert known["seed"] == 3
    assert {"jaxcost", "jaxlib", "numpy", "python"} <= set(known)
    json.dumps(known)


def test_the_date_is_in_utc():
    date = provenance("t.csv", b"")["date_utc"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", date)
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(date)
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=1)


def test_a_checkout_that_is_not_installed_is_no_fault(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    assert provenance("t.csv", b"")["jaxcost"] == "not installed"
