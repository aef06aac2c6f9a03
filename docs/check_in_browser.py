"""Look at the built site in headless Chromium, as a reader with a browser does.

``python docs/check_in_browser.py [BUILD] [SCREENSHOTS]`` serves BUILD on loopback and
opens every page, wide and 400 pixels wide, light and dark. It reports links that lead
nowhere, errors that a page logs, pages that are wider than the window, and whether the
search finds "impute". Screenshots of the main pages go to SCREENSHOTS. It needs
playwright, and Chromium on the PATH.
"""

import functools
import http.server
import pathlib
import shutil
import sys
import threading

from playwright.sync_api import sync_playwright

PICTURES = "index", "getting_started", "gallery/index", "theory", "benchmarks"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def served(folder):
    """The address at which a thread serves the folder."""
    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def problems_of(page, address, names, pictures, dark):
    """What is wrong with the pages in a window of the width that `page` has."""
    problems, wanted = [], set()
    width = page.viewport_size["width"]
    label = f"{width}{'-dark' if dark else ''}"
    page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
    page.on(
        "console",
        lambda message: (
            problems.append(f"{page.url}: {message.text}")
            # what other hosts hold is not ours
            if message.type == "error" and address in message.location["url"]
            else None
        ),
    )
    for name in names:
        page.goto(f"{address}/{name}", wait_until="load")
        wide = page.evaluate("document.scrollingElement.scrollWidth")
        if wide > width:
            problems.append(f"{name}: {wide} pixels wide in a window of {width}")
        links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
        wanted |= {(name, link) for link in links if link.startswith(address)}
        stem = name.removesuffix(".html")
        if stem in PICTURES:
            path = pictures / f"{stem.replace('/', '-')}-{label}.png"
            page.screenshot(path=path, full_page=stem != "benchmarks")
    return problems, wanted


def broken(page, address, wanted):
    """Links to pages, or places in pages, that do not exist."""
    targets = {}
    for _, link in wanted:
        url, _, place = link.partition("#")
        targets.setdefault(url, set()).add(place)
    lost = set()
    for url, places in targets.items():
        answer = page.request.get(url)
        text = answer.text() if url.endswith((".html", "/")) else ""
        for place in places:
            found = not place or f'id="{place}"' in text or not text
            if not answer.ok or not found:
                lost.add(f"{url}#{place}" if place else url)
    return [f"{name}: {link}" for name, link in sorted(wanted) if link in lost]


def main(build="docs/_build", pictures="docs/_build/_screenshots"):
    build, pictures = pathlib.Path(build), pathlib.Path(pictures)
    pictures.mkdir(parents=True, exist_ok=True)
    names = sorted(
        str(path.relative_to(build))
        for path in build.rglob("*.html")
        if "_static" not in path.parts
    )
    address, problems = served(build), []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for width in (1280, 400):
            for scheme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": width, "height": 900}, color_scheme=scheme
                )
                found, wanted = problems_of(
                    page, address, names, pictures, scheme == "dark"
                )
                problems += found
        problems += broken(page, address, wanted)
        page.goto(f"{address}/search.html?q=impute")
        page.wait_for_selector("#search-results li")
        hits = page.locator("#search-results li").count()
        browser.close()
    print(f"{len(names)} pages, {len(wanted)} links, {hits} pages with 'impute'")
    print(*sorted(set(problems)), sep="\n")
    return 1 if problems or not hits else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
