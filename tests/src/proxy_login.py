"""Loads a page in Chromium by way of a proxy that asks for a password, and prints its text.

Chromium takes no password for a proxy on its command line: it asks its user. Here the user answers by
DevTools, through a pipe.

    proxy_login.py PROXY USER KEY URL
"""

import fcntl
import json
import os
import subprocess
import sys
import tempfile

proxy, user, key, url = sys.argv[1:]


class Browser:
    def __init__(self, folder):
        (theirs_in, self.out), (self.into, theirs_out) = os.pipe(), os.pipe()
        # Out of the way of 3 and 4, where Chromium looks.
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 50) for fd in (theirs_in, theirs_out)]

        def place():
            os.dup2(theirs[0], 3)
            os.dup2(theirs[1], 4)

        self.process = subprocess.Popen(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                "--disable-dev-shm-usage", "--disable-features=HttpsUpgrades",
                f"--proxy-server=http://{proxy}", "--proxy-bypass-list=<-loopback>",
                f"--user-data-dir={folder}", "about:blank",
            ],
            preexec_fn=place, pass_fds=(3, 4),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for fd in [theirs_in, theirs_out, *theirs]:
            os.close(fd)
        self.number, self.session, self.rest = 0, None, b""

    def say(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        return self.number

    def hear(self):
        while b"\0" not in self.rest:
            more = os.read(self.into, 65536)
            if not more:
                sys.exit("Chromium has gone")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, **parameters):
        number = self.say(method, **parameters)
        while True:
            message = self.hear()
            if message.get("id") == number:
                return message["result"]
            self.answer(message)

    def answer(self, message):
        of = message.get("params", {})
        if message.get("method") == "Fetch.requestPaused":
            self.say("Fetch.continueRequest", requestId=of["requestId"])
        elif message.get("method") == "Fetch.authRequired":
            assert of["authChallenge"]["source"] == "Proxy", of
            login = {"response": "ProvideCredentials", "username": user, "password": key}
            self.say("Fetch.continueWithAuth", requestId=of["requestId"], authChallengeResponse=login)


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    browser = Browser(folder)
    try:
        target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)
        browser.session = session["sessionId"]
        browser.ask("Page.enable")
        browser.ask("Fetch.enable", handleAuthRequests=True)
        number = browser.say("Page.navigate", url=url)
        while True:
            message = browser.hear()
            browser.answer(message)
            if message.get("method") == "Page.loadEventFired":
                break
        text = browser.ask("Runtime.evaluate", expression="document.body.innerText")
        print(text["result"].get("value", ""))
    finally:
        browser.process.kill()
        browser.process.wait()
