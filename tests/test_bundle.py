"""The inliner of the figures' scripts: what it writes runs in Chromium as the modules would, what it refuses it names.

Without Chromium the tests that run a script skip; with COURSE_REQUIRE_BROWSER=1 they fail.
"""

import re
from pathlib import Path

import pytest
from chromium import chromium

import course_utils
from course_utils.explore.page import WEB, palette_module
from course_utils.live.bundle import COMMENT, IMPORT, bundle

PACKAGE = Path(course_utils.__file__).parent
SCRIPTS = sorted(PACKAGE.glob("**/*.js"))


def bundled(entry: str, **modules: str) -> str:
    """The bundle of virtual modules, named without their ending; the entry is one of them."""
    return bundle(Path(f"{entry}.js"), {Path(f"{name}.js"): text for name, text in modules.items()})


@pytest.fixture(scope="module")
def value():
    """Evaluates a classic script in an empty page."""
    with chromium() as browser:
        yield browser.new_page().evaluate


def test_names_of_different_modules_do_not_meet(value):
    text = bundled(
        "main",
        left='const hidden = "left";\nexport const left = () => hidden;',
        right='const hidden = "right", $0 = 1;\nexport function right() { return hidden + $0; }',
        main='import { left } from "./left.js";\nimport { right } from "./right.js";\n'
        "const hidden = left() + right();\nexport const all = hidden;",
    )
    assert value(text) == {"all": "leftright1"}
    assert value("[typeof hidden, typeof left]") == ["undefined", "undefined"]


def test_a_module_is_written_once_and_only_if_it_is_reached(value):
    text = bundled(
        "main",
        counter="let count = 0;\nexport function next() { return ++count; }",
        left='import { next } from "./counter.js";\nexport const left = next();',
        right='import { next } from "./counter.js";\nexport const right = next();',
        idle="export const idle = 1;",
        main='import { left } from "./left.js";\nimport { right } from "./right.js";\n'
        "export const both = [left, right];",
    )
    assert value(text) == {"both": [1, 2]}  # one counter, and in the order of the imports
    assert text.count("++count") == 1 and "idle" not in text


def test_every_form_of_export(value):
    text = bundled(
        "main",
        main="export const a = 1;\nexport function b() {}\nexport function* c() {}\nexport async function d() {}\n"
        "export class E {}\nconst f = 1;",
    )
    assert value(f"Object.keys({text})") == ["a", "b", "c", "d", "E"]


def test_modules_are_found_from_the_folder_of_the_file_that_asks(tmp_path, value):
    for folder, text in {
        "a": 'import { c } from "../b/c.js";\nimport { here } from "./made.js";\nexport const sum = c + here;',
        "b": 'import { here } from "../a/made.js";\nexport const c = 10 * here;',
    }.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{'main' if folder == 'a' else 'c'}.js").write_text(text, encoding="utf-8")
    made = {tmp_path / "b" / ".." / "a" / "made.js": "export const here = 4;"}
    text = bundle(tmp_path / "a" / "main.js", made)
    assert value(text) == {"sum": 44} and text.count("here = 4") == 1
    assert str(tmp_path) not in text  # a page does not tell where it was made


def test_comments_that_have_their_lines_to_themselves_are_left_out(value):
    text = bundled(
        "main",
        main='// import { a } from "./gone.js";\n/**\n * secret\nimport { b } from "./gone.js";\n */\n'
        'export const main = [ // here\n  // secret\n  "// kept", "/** kept */",\n];',
    )
    assert value(text) == {"main": ["// kept", "/** kept */"]} and "secret" not in text and "here" in text


def test_the_script_is_strict(value):
    assert value(bundled("main", main="export const self = (function () { return this === undefined; })();"))["self"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('import { a } from "./gone.js";', "there is no module .*gone.js"),
        ('import { a, b, c } from "./other.js";', "other.js does not export b, c"),
        ('import other from "./other.js";', "does not know"),
        ('import * as other from "./other.js";', "does not know"),
        ('import { a as b } from "./other.js";', "does not know"),
        ('import "./other.js";', "does not know"),
        ('import { a } from "other";', "does not know"),
        ('const other = await import("./other.js");', "does not know"),
        ("console.log(import.meta.url);", "does not know"),
        ('export { a } from "./other.js";', "does not know"),
        ('export * from "./other.js";', "does not know"),
        ("export default 1;", "does not know"),
        ("export { a };", "does not know"),
        ("export let changing = 1;", "does not know"),
        ("  export const inside = 1;", "does not know"),
    ],
)
def test_what_cannot_be_inlined_is_refused_by_file_and_line(line, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        bundled("main", main=f"// a first line\n{line}\n", other="export const a = 1;")
    assert "main.js" in str(error.value) and line.strip() in str(error.value)


def test_several_constants_of_one_line_are_not_all_exported():
    with pytest.raises(ValueError, match="one.js does not export b"):
        bundled("main", main='import { b } from "./one.js";', one="export const a = 1, b = 2;")


def test_a_circle_is_refused():
    modules = {
        "main": 'import { b } from "./b.js";',
        "b": 'import { c } from "./c.js";\nexport const b = c;',
        "c": 'import { b } from "./b.js";\nexport const c = b;',
    }
    with pytest.raises(ValueError, match=r"c\.js: import \{ b \}.* b\.js -> c\.js -> b\.js"):
        bundled("main", **modules)
    with pytest.raises(ValueError, match=r"main\.js -> main\.js"):
        bundled("main", main='import { a } from "./main.js";\nexport const a = 1;')


def test_an_entry_that_is_missing_is_named():
    with pytest.raises(FileNotFoundError, match="nowhere.js"):
        bundle(Path("nowhere.js"))


# The scripts of the course


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.relative_to(PACKAGE)))
def test_a_script_imports_what_there_is_and_uses_what_it_imports(script):
    assert bundle(script, {WEB / "palette.js": palette_module()})
    text = script.read_text("utf-8")
    code = re.sub(r"//.*", "", IMPORT.sub("", COMMENT.sub("", text)))
    for names, _ in IMPORT.findall(text):
        for name in names.split(", "):
            assert re.search(rf"\b{name}\b", code), f"{name} is imported and not used"
    assert text.count("\n") < 400


def test_the_engine_knows_no_page():
    for script in PACKAGE.glob("live/*.js"):
        assert "document" not in script.read_text("utf-8") and "../" not in script.read_text("utf-8")
