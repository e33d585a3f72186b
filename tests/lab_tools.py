"""JupyterLab in headless Chromium, and a hand that moves the controls of an explorer and takes the time."""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import execute
import nbformat
from chromium import FLAGS, needed_browser

#: Seconds that a new picture may take, and all cells of a notebook.
PATIENCE, LONGEST_RUN = 8.0, 180

#: Every cell is in the page from the start, seen or not; nothing pops up over the controls.
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

#: Runs all cells of the open notebook once its kernel is there; window.ran: how many did not run (wanted: 0).
RUN_ALL = """() => {
const run = async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
  await window.jupyterapp.commands.execute("notebook:run-all-cells");
  return panel.content.widgets.filter(cell => cell.model.type === "code" && !cell.model.executionCount).length;
};
run().then(left => { window.ran = left; }, error => { window.ran = String(error); });
}"""
CONTROLS = ".noUi-handle, select, input[type=checkbox], button.widget-button, div.widget-toggle-buttons"
#: Waits until the kernel has had nothing to do for a while.
SETTLED = """async () => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const pause = () => new Promise(resolve => setTimeout(resolve, 50));
  for (let idle = 0; idle < 5; await pause()) idle = kernel.status === "idle" ? idle + 1 : 0;
}"""
PICTURE = """
const picture = () => box.querySelector("img.explorer-figure, .explorer-figure img");
const digest = async () => {
  const bytes = await (await fetch(picture().src)).arrayBuffer();
  return Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))).join();
};
"""
#: box.redrawn: milliseconds from the next key press to a picture with other bytes; null if none comes in time, or the
#: kernel has had nothing to do for a second.
WATCH = (
    "async ([box, patience]) => {"
    + PICTURE
    + """
const before = await digest();
let start = null;
const note = () => { start ??= performance.now(); };
const events = ["keydown", "input"];
events.forEach(event => document.addEventListener(event, note, true));
box.redrawn = new Promise(resolve => {
  const end = milliseconds => {
    observer.disconnect();
    clearTimeout(timer);
    clearInterval(rest);
    events.forEach(event => document.removeEventListener(event, note, true));
    resolve(milliseconds);
  };
  const look = async () => {
    await picture().decode().catch(() => null);
    const now = performance.now();
    if (start !== null && (await digest()) !== before) end(now - start);
  };
  const observer = new MutationObserver(look);
  observer.observe(box, { subtree: true, childList: true, attributes: true, attributeFilter: ["src"] });
  const timer = setTimeout(() => end(null), 1000 * patience);
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  let idle = 0;
  const rest = setInterval(() => {
    idle = start !== null && kernel.status === "idle" ? idle + 1 : 0;
    if (idle === 20) end(null);
  }, 50);
});
}"""
)
#: box.pictures: the times at which another picture stands, from now on; box.stands(): what tells pictures apart.
FOLLOW = (
    "([box]) => {"
    + PICTURE
    + """
box.pictures = [];
box.stands = digest;
let last = picture().src;
new MutationObserver(() => {
  if (picture().src === last) return;
  last = picture().src;
  box.pictures.push(performance.now());
}).observe(box, { subtree: true, childList: true, attributes: true, attributeFilter: ["src"] });
}"""
)


@contextmanager
def lab_server(folder: Path):
    """JupyterLab on a free port, serving ``folder / "notebooks"``; yields its address."""
    for name, content in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--LabApp.news_url=None",
    ]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += ["--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={folder / 'notebooks'}"]
    # should these tests be killed, the server ends by itself
    command += ["--ServerApp.shutdown_no_activity_timeout=600", "--MappingKernelManager.cull_idle_timeout=600"]
    environment = execute.closed(folder) | {
        "COURSE_FAST": "1",
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
    }
    environment.pop("OMP_NUM_THREADS", None)  # a reader's kernel has all cores, also where the tests share them
    log = folder / "server.log"
    with log.open("w") as stream:
        server = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{address}/api/status", timeout=2):
                    break
            except OSError as error:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}") from error
                time.sleep(0.2)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)  # shuts its kernels down too
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@contextmanager
def seen(page, picture: Path):
    """What the browser shows when something goes wrong."""
    try:
        yield
    except BaseException:
        page.screenshot(path=picture, full_page=True)
        print(f"what the browser showed: {picture}")
        raise


@contextmanager
def lab_in(folder: Path):
    """JupyterLab in a browser: ``lab(notebook, name)`` opens a notebook, runs it all, and gives the page."""
    path = needed_browser()
    from playwright.sync_api import sync_playwright

    (folder / "notebooks").mkdir()
    outside = []

    def only_this_machine(route):
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    with lab_server(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        context = browser.new_context(viewport={"width": 1300, "height": 1000})
        context.set_default_timeout(20_000)
        context.route("**/*", only_this_machine)

        @contextmanager
        def opened(notebook, name: str):
            nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")
            page = context.new_page()
            try:
                with seen(page, folder / f"{name}.png"):
                    page.goto(f"{address}/lab/tree/{name}.ipynb?reset")
                    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
                    page.evaluate(RUN_ALL)
                    page.wait_for_function("window.ran !== undefined", timeout=1000 * LONGEST_RUN)
                    page.evaluate(SETTLED)
                    assert not (errors := cell_errors(page)), "\n".join(errors)
                    assert page.evaluate("window.ran") == 0, page.evaluate("window.ran")
                    yield page
                    assert not outside, f"asked for something outside this machine: {outside}"
            finally:
                page.evaluate("window.jupyterapp?.commands.execute('notebook:shutdown-kernel')")
                page.close()

        yield opened
        browser.close()


def cell_errors(page) -> list[str]:
    """What went wrong in the notebook's cells (tracebacks and other words on stderr) and in the explorers."""
    selector = '[data-mime-type="application/vnd.jupyter.stderr"], .explorer-problem:visible'
    return page.locator(selector).all_inner_texts()


def steps(page, control):
    """Two functions: move a control one step further, and put it back where it was."""
    control.scroll_into_view_if_needed()
    kind = control.evaluate("e => e.classList.contains('noUi-handle') ? 'slider' : e.tagName.toLowerCase()")
    if kind == "slider":  # towards the end with more room; turns round at the end

        def stands():
            return (float(control.get_attribute(f"aria-value{which}")) for which in ("min", "now", "max"))

        least, now, most = stands()
        right, moves = most - now >= now - least, []

        def step():
            nonlocal right
            least, now, most = stands()
            right = now < most if right else now <= least
            moves.append("ArrowLeft" if right else "ArrowRight")
            control.focus()
            page.keyboard.press("ArrowRight" if right else "ArrowLeft")

        def restore():
            control.focus()
            for key in reversed(moves):
                page.keyboard.press(key)
    elif kind == "select":  # not by keyboard: JupyterLab keeps the arrow keys from a list
        first, length = control.evaluate("e => [e.selectedIndex, e.length]")

        def step():
            control.select_option(index=(control.evaluate("e => e.selectedIndex") + 1) % length)

        def restore():
            control.select_option(index=first)
    elif kind == "div":  # a row of buttons of which one is down
        first = control.evaluate(
            "e => Array.from(e.querySelectorAll('button')).findIndex(b => b.matches('.mod-active'))"
        )

        def step():
            control.locator("button:not(.mod-active)").first.focus()
            page.keyboard.press("Space")

        def restore():
            control.locator("button").nth(first).click()
    else:  # a tick or a button
        ticked = control.evaluate("e => e.checked")

        def step():
            control.focus()
            page.keyboard.press("Space")

        def restore():
            if control.evaluate("e => e.checked") != ticked:
                control.click()

    return step, restore


def redraws(page, box, control, presses: int, patience: float) -> list[float | None]:
    """Seconds from each of ``presses + 1`` moves of a control to the new picture; ends with None if none came."""
    handle = box.element_handle()
    step, restore = steps(page, control)
    seconds = []
    while len(seconds) <= presses and None not in seconds:
        page.evaluate(WATCH, [handle, patience])
        step()
        milliseconds = page.evaluate("box => box.redrawn", handle)
        seconds.append(None if milliseconds is None else milliseconds / 1000)
        assert not (errors := cell_errors(page)), "after a move: " + "\n".join(errors)
    restore()
    page.evaluate(SETTLED)
    return seconds


def drag(page, box, moves: int = 100, pause: float = 0.012) -> tuple[float, list[float]]:
    """Drag the first slider of an explorer to the right; seconds of the drag, and when pictures came after its end.

    Each move of the mouse brings another value; the times of pictures that came before the end are negative.
    """
    handle, control = box.element_handle(), box.locator(".noUi-handle").first
    control.scroll_into_view_if_needed()
    place = control.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    step = box.locator(".noUi-target").first.bounding_box()["width"] / (moves + 10)
    page.evaluate(FOLLOW, [handle])
    page.mouse.move(x, y)
    page.mouse.down()
    start = page.evaluate("performance.now()")
    for k in range(moves):
        page.mouse.move(x + (k + 1) * step, y)
        time.sleep(pause)
    end = page.evaluate("performance.now()")
    page.mouse.up()
    page.evaluate(SETTLED)
    return (end - start) / 1000, [(shown - end) / 1000 for shown in page.evaluate("box => box.pictures", handle)]


def explore(page, box, presses: int = 0, patience: float = PATIENCE, only=None) -> dict[str, float | None]:
    """Move each control of an explorer, or those in ``only``; seconds to the new picture, None if none came.

    The median of ``presses`` moves, each to a value not seen before.  One more goes before them, which counts only if
    there are no others: it may pay for what the later ones find ready.  A control may be idle for some choices of a
    list (the weight mu for a method that has none); it must work for one of them.
    """
    controls, lists = box.locator(CONTROLS), box.locator("select")
    measured = {}
    for index in range(controls.count()):
        control = controls.nth(index)
        if control.evaluate("e => Boolean(e.closest('.explorer-static, .explorer-tools'))"):
            continue
        # a row of buttons and a slider over a list lack the class that other widgets have
        closest = "e => (e.closest('.jupyter-widgets, .widget-toggle-buttons, .widget-hslider') ?? e).innerText"
        shown = control.evaluate(closest).replace("\u200b", "")
        name = next((line.strip() for line in shown.splitlines() if line.strip()), f"control {index + 1}")
        assert name not in measured, f"two controls named {name!r}"
        if only is not None and name not in only:
            continue
        seconds = redraws(page, box, control, presses, patience)
        choices = [
            (k, option) for k in range(lists.count()) for option in range(lists.nth(k).locator("option").count())
        ]
        while None in seconds and choices:
            k, option = choices.pop(0)
            before = lists.nth(k).evaluate("e => e.selectedIndex")
            lists.nth(k).select_option(index=option)
            page.evaluate(SETTLED)
            seconds = redraws(page, box, control, presses, patience)
            lists.nth(k).select_option(index=before)
            page.evaluate(SETTLED)
        measured[name] = None if None in seconds else statistics.median(seconds[1:] or seconds)
    return measured


def explorer_name(box) -> str:
    names = [c for c in box.get_attribute("class").split() if c.startswith("explorer-")]
    return names[0].removeprefix("explorer-") if names else ""
