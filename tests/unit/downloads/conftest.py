"""A video site on this machine: 127.0.0.2 is the site, 127.0.0.1 is the inside, where nothing may ever connect."""

import json
import re
import subprocess
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cliply_resources.media_tools.ffmpeg import ffmpeg_path
from cliply_resources.settings import Settings

VTT = b"WEBVTT\n\n00:00.000 --> 00:01.500\nHello there.\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        self.server.site.connections += 1
        super().setup()

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        site, path = self.server.site, self.path.partition("?")[0]
        site.asked.append(self.path)
        self.close_connection = True
        if path in site.redirects:
            self.send_response(302)
            self.send_header("Location", site.redirects[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in site.status or path not in site.pages:
            self.send_error(site.status.get(path, 404))
        else:
            with suppress(ConnectionError):
                self.send_page(site, path, body)

    def send_page(self, site, path, body):
        kind, data = site.pages[path]
        wanted = re.fullmatch(r"bytes=(\d+)-.*", self.headers.get("Range", ""))
        rest = data[int(wanted[1]) :] if wanted else data
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Type", kind)
        if wanted:
            self.send_header("Content-Range", f"bytes {wanted[1]}-{len(data) - 1}/{len(data)}")
        if path not in site.unsized:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if site.break_after.get(path, 0) > 0 and len(rest) > 1000:
            site.break_after[path] -= 1
            rest = rest[: len(rest) // 2]
        if body:
            self.wfile.write(rest)


class Site:
    """Serves `pages` (path to content type and bytes) with ranges; remembers what was asked."""

    def __init__(self, address):
        self.pages = {}
        self.asked = []
        self.connections = 0
        self.break_after = {}
        """Path to how many times the connection is cut in the middle of it."""
        self.status = {}
        self.unsized = set()
        self.redirects = {}
        self._server = ThreadingHTTPServer((address, 0), Handler)
        self._server.site = self
        self.port = self._server.server_address[1]
        self.host = f"{address}:{self.port}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def page(self, path, html):
        self.pages[path] = ("text/html; charset=utf-8", html.encode())

    def talk(self, path, *, media="/talk.mp4", **more):
        """A page that describes its video as search engines want it."""
        about = {"@context": "https://schema.org", "@type": "VideoObject", "contentUrl": self.url + media, **more}
        head = f'<script type="application/ld+json">{json.dumps(about)}</script>'
        self.page(path, f"<!doctype html><html><head><title>A page</title>{head}</head><body></body></html>")

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    subprocess.run(
        [
            *(ffmpeg_path(), "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2"),
            *("-f", "lavfi", "-i", "sine=440:d=2", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", path),
        ],
        check=True,
    )
    return path.read_bytes()


@pytest.fixture
def site(film):
    found = Site("127.0.0.2")
    found.pages["/talk.mp4"] = ("video/mp4", film)
    found.pages["/en.vtt"] = ("text/vtt", VTT)
    yield found
    found.close()


@pytest.fixture
def canary():
    """A server on the inside."""
    found = Site("127.0.0.1")
    found.pages["/secret.mp4"] = ("video/mp4", b"secret" * 1000)
    yield found
    found.close()


@pytest.fixture
def settings(site, tmp_path):
    return Settings(
        home=tmp_path / "home",
        url_hosts=(site.host,),
        url_schemes=("http", "https"),
        url_extractors=("generic", "html5"),
        url_private_networks=("127.0.0.2",),
    )
