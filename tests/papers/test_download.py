import hashlib
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jaxcost.papers import download
from jaxcost.papers.download import check_sha256, fetch

CONTENT = b"measured layers"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site():
    """A web server of this machine: `site.pages` by path, `site.url(path)`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            page = self.server.pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.pages = {"/data": CONTENT}
        server.url = lambda path: f"http://127.0.0.1:{server.server_port}{path}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_expected_file_is_kept_with_its_digest(site, tmp_path, caplog):
    target = tmp_path / "new" / "data"
    assert fetch(site.url("/data"), target, sha256=DIGEST.upper()) == target
    assert target.read_bytes() == CONTENT
    assert (target.parent / "data.sha256").read_text().strip() == DIGEST
    assert caplog.records == []


def test_another_file_is_refused_and_nothing_kept(site, tmp_path):
    target = tmp_path / "data"
    with pytest.raises(ValueError, match=f"SHA-256 is {DIGEST}, expected 0000") as error:
        fetch(site.url("/data"), target, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []
    assert "\n" not in str(error.value)


def test_a_first_download_is_trusted_aloud_and_then_held_to(site, tmp_path, caplog):
    target = tmp_path / "data"
    with caplog.at_level(logging.WARNING):
        fetch(site.url("/data"), target)
    assert DIGEST in caplog.text
    site.pages["/data"] = b"exchanged"
    with pytest.raises(ValueError, match=f"expected {DIGEST}"):
        fetch(site.url("/data"), target)
    assert target.read_bytes() == CONTENT


def test_without_network_the_way_round_is_named(tmp_path):
    target = tmp_path / "data"
    # Port 9 discards; nothing listens on it here.
    with pytest.raises(ConnectionError, match="by hand") as error:
        fetch("http://127.0.0.1:9/data", target)
    assert str(target) in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_page_is_a_failed_download(site, tmp_path):
    with pytest.raises(ConnectionError, match="Not Found"):
        fetch(site.url("/other"), tmp_path / "data")


def test_an_endless_file_is_refused(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_LARGEST", 4)
    with pytest.raises(ValueError, match="more than 4 bytes"):
        fetch(site.url("/data"), tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_file_changed_after_its_download_is_refused(site, tmp_path):
    target = fetch(site.url("/data"), tmp_path / "data", sha256=DIGEST)
    check_sha256(target)
    target.write_bytes(CONTENT + b"!")
    with pytest.raises(ValueError, match="changed or damaged"):
        check_sha256(target)


def test_a_file_without_record_passes_unless_asked_for(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(CONTENT)
    check_sha256(path)
    check_sha256(path, DIGEST)
    with pytest.raises(ValueError, match="expected 0000"):
        check_sha256(path, "0" * 64)
