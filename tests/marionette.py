"""Debian's Firefox by its own protocol, Marionette; playwright would need a Firefox of its own."""

import json
import socket
import subprocess
import time
from contextlib import contextmanager

BUSY = 180  # seconds
PREFERENCES = """
user_pref("marionette.port", 0);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", "127.0.0.1");
user_pref("network.proxy.http_port", 9);
user_pref("network.proxy.ssl", "127.0.0.1");
user_pref("network.proxy.ssl_port", 9);
"""  # a proxy that is not there: no network


class Firefox:
    """A session: opens pages and runs scripts in them."""

    def __init__(self, connected):
        self._socket, self._count, self._rest = connected, 0, b""
        self._message()  # who is speaking
        self.call("WebDriver:NewSession", {})
        self.call("WebDriver:SetTimeouts", {"script": 1000 * BUSY, "pageLoad": 1000 * BUSY})

    def call(self, command, arguments):
        """The result of a command."""
        self._count += 1
        text = json.dumps([0, self._count, command, arguments]).encode()
        self._socket.sendall(b"%d:%b" % (len(text), text))
        _, _, error, result = self._message()
        if error:
            raise RuntimeError(f"{command}: {error['message']}")
        return result

    def open(self, path):
        """Open a page from disk."""
        self.call("WebDriver:Navigate", {"url": path.as_uri()})

    def run(self, expression):
        """What an expression of JavaScript, awaited, is in the page."""
        script = f"const done = arguments[0]; (async () => ({expression}))().then(done, done)"
        return self.call("WebDriver:ExecuteAsyncScript", {"script": script, "args": []})["value"]

    def _message(self):
        while b":" not in self._rest:
            self._rest += self._socket.recv(65536)
        length, _, data = self._rest.partition(b":")
        while len(data) < int(length):
            data += self._socket.recv(65536)
        self._rest = data[int(length) :]
        return json.loads(data[: int(length)])


@contextmanager
def firefox(program, profile):
    """Start Firefox with a new profile in an empty folder."""
    (profile / "user.js").write_text(PREFERENCES)
    command = [program, "--headless", "--marionette", "--profile", str(profile), "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + BUSY
            while not (port := profile / "MarionetteActivePort").exists():
                if time.monotonic() > until or process.poll() is not None:
                    raise RuntimeError(f"{program} did not start")
                time.sleep(0.2)
            time.sleep(0.5)  # until the number is written
            with socket.create_connection(("127.0.0.1", int(port.read_text())), BUSY) as connected:
                yield Firefox(connected)
        finally:
            process.terminate()
