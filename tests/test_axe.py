"""What the pages of the book are looked through with for a bad contrast sees it, wherever it stands.

Headless Chromium opens a small page.  Without Chromium or npm these tests skip, or fail where CI is set.
"""

import book_tools
import pytest

PAGE = """<!doctype html><html lang="en-GB" data-theme="light"><title>Words</title><style>
body {{ background: white; color: black; }} html[data-theme=dark] body {{ background: black; color: white; }}
.hidden {{ display: none; }} {style}
</style><body><main><h1>Words</h1>
<p class="hidden">Nobody sees this.</p>
<p>Some <b>words</b> and <code><span>names</span> of <span>functions</span></code>.</p>
<div class="box"><p>Other words.</p><p>More.</p></div>
<p>Some <b>words</b> and <code><span>names</span> of <span id="one">functions</span></code>.</p>
<p>Some <b>words</b> and <code><span>names</span> of <span>functions</span></code>.</p>{body}</main></body></html>"""
BUTTON = '<button style="color: #ddd; background: white">Go</button>'


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return book_tools.axe(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize(
    ("style", "body", "expected"),
    [
        ("", "", []),
        ("#one { color: #ccc; }", "", ["light: color-contrast"]),
        ("#one { color: #333; }", "", ["dark: color-contrast"]),
        (".hidden { color: #eee; }", "", []),
        (".box { background: #222; }", "", ["light: color-contrast"]),
        (".box p { opacity: 0.3; }", "", ["dark: color-contrast", "light: color-contrast"]),
        ("span { font-size: 10px; color: #888; }", "", ["light: color-contrast"]),
        ("", BUTTON, ["dark: color-contrast", "light: color-contrast"]),
        ("", '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=">', ["light: image-alt"]),
    ],
)
def test_what_is_wrong_is_found(browser, axe, style, body, expected):
    page = browser.new_page()
    page.set_content(PAGE.format(style=style, body=body))
    found = book_tools.serious(page, axe)
    page.close()
    assert [": ".join(line.split(": ")[:2]) for line in found] == expected, found
