# Ten sessions at once, each with one page. A page that does not come, because its tunnel's client has
# just died, is asked for once more; a session that cannot be made fails the test.
# Arguments: hub, user, key, pool, URL.
import sys
from concurrent.futures import ThreadPoolExecutor

from selenium import webdriver
from selenium.common.exceptions import TimeoutException

hub, user, key, pool, url = sys.argv[1:]


def session(number):
    browser = webdriver.ChromeOptions()
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]:
        browser.add_argument(argument)
    said = {"tunnelName": pool, "name": f"session {number}", "username": user, "accessKey": key}
    browser.set_capability("sauce:options", said)
    driver = webdriver.Remote(command_executor=hub, options=browser)
    try:
        driver.set_page_load_timeout(5)
        try:
            driver.get(url)
        except TimeoutException:
            print("once more:", number, flush=True)
            driver.set_page_load_timeout(20)
            driver.get(url)
        assert "arrived: 0 of 0" in driver.page_source, driver.page_source
        print("loaded", number, flush=True)
    finally:
        driver.quit()


with ThreadPoolExecutor(10) as threads:
    for done in [threads.submit(session, number) for number in range(10)]:
        done.result()
