# Playwright by the proxy of a job: ask for one, give its address to the browser, end it.
# Arguments: REST URL, user, key, tunnel, URL of a page.
import base64
import json
import sys
import urllib.request

from playwright.sync_api import sync_playwright

rest, user, key, tunnel, url = sys.argv[1:]


def call(method, path, body=None):
    credentials = base64.b64encode(f"{user}:{key}".encode()).decode()
    request = urllib.request.Request(
        f"{rest}/{user}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Basic {credentials}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


job = call("POST", "/jobs", {"tunnelName": tunnel, "name": "from Playwright"})
try:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            # Localhost is the office's, too.
            proxy={"server": f"http://{job['proxy_address']}", "bypass": "<-loopback>"},
        )
        page = browser.new_page()
        page.goto(url)
        page.wait_for_function("document.body.innerText.includes('arrived: 3')")
        print(page.inner_text("body"))
        browser.close()
    call("PUT", f"/jobs/{job['id']}", {"passed": True})
finally:
    call("DELETE", f"/jobs/{job['id']}")
assert call("GET", f"/jobs/{job['id']}")["passed"] is True
