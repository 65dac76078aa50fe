# A test as people write it with Selenium: a session on a tunnel by its name, one page, its label.
# Arguments: hub, user, key, tunnel, where the credentials go (`options`, `url`; `none`: neither
# they nor the tunnel's name are said), URL.
import sys

from selenium import webdriver
from selenium.common.exceptions import InvalidSessionIdException, SessionNotCreatedException

hub, user, key, tunnel, where, url = sys.argv[1:]


def options(tunnel_name):
    browser = webdriver.ChromeOptions()
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]:
        browser.add_argument(argument)
    said = {"name": "from Selenium", "build": "b1", "tags": ["a"]}
    if tunnel_name:
        said["tunnelName"] = tunnel_name
    if where == "options":
        said.update(username=user, accessKey=key)
    browser.set_capability("sauce:options", said)
    return browser


def executor():
    return hub if where != "url" else hub.replace("://", f"://{user}:{key}@", 1)


try:
    webdriver.Remote(command_executor=executor(), options=options("no-such-tunnel"))
    sys.exit("a tunnel that does not exist was taken")
except SessionNotCreatedException as error:
    print("refused:", error.msg)

driver = webdriver.Remote(command_executor=executor(), options=options(None if where == "none" else tunnel))
print("session:", driver.session_id, flush=True)
driver.get(url)
print("title:", driver.title)
print("page:", driver.find_element("tag name", "body").text)
driver.execute_script("sauce:context=the page is there")
driver.execute_script("sauce:job-name=renamed")
driver.execute_script("sauce:job-result=passed")
assert driver.execute_script("return 6 * arguments[0]", 7) == 42
assert len(driver.get_screenshot_as_png()) > 1000
driver.quit()
try:
    driver.title
    sys.exit("the session lives")
except InvalidSessionIdException as error:
    print("gone:", error.msg)
print("all of it works")
