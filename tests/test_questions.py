"""Questions with choices: read from the text of the chapters, and folded and marked for the page."""

import re

import nbformat
import prepare
import pytest
from questions import marked, questions

from course_utils.notebooks import chapters, generate

PREDICTION = "It is so.\n\n**Predict, then run.** Which of\ntwo?\n\n- [ ] TV, which is\n  long\n- [ ] H1."
QUIZ = "**1.** What?\n\n- [ ] This.\n- [ ] That $x$.\n\n<details><summary>{}</summary>\n\n{}\n</details>\n\nMore."
QUIZZES = re.compile(r"^## Quiz\n", re.MULTILINE)
ANSWERED = QUIZ.format("<b>Answer</b>", "**That $x$.** Because.")


def test_a_prediction_and_a_quiz_are_read():
    (asked,) = questions(PREDICTION, "05-a")
    assert (asked.kind, asked.choices, asked.right) == ("prediction", ("TV, which is long", "H1"), None)
    (number,) = questions("**Predict first.** How much?\n\n- [ ] ____ dB", "05-a")
    assert number.choices == ("____ dB",)
    (quiz,) = questions(ANSWERED, "05-a")
    assert (quiz.kind, quiz.choices, quiz.right) == ("quiz", ("This", "That $x$"), 1)
    both = questions(f"{ANSWERED}\n\n{ANSWERED.replace('What?', 'Which?')}", "05-a")
    assert len({asked.key, number.key, *(question.key for question in both)}) == 4
    assert questions(ANSWERED, "05-b") == [quiz] and questions(ANSWERED, "06-a")[0].key != quiz.key
    assert questions("A list:\n\n- one\n- two", "05-a") == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (PREDICTION.replace("Predict", "Run"), "a prediction above"),
        (PREDICTION + "\n\nMore text.", "nothing below"),
        (PREDICTION.replace("\n- [ ] H1.", ""), "2 to 4 different choices"),
        (PREDICTION.replace("H1.", "TV, which is long"), "2 to 4 different choices"),
        (QUIZ.format("Answer", "**Nothing.** Because."), "begin with one of them"),
        (QUIZ.format("Answer", "That $x$. Because."), "a prediction above"),
        (QUIZ.format("Hint", "**This.** Because."), "a prediction above"),
    ],
)
def test_a_question_that_cannot_be_asked_is_named(source, message):
    with pytest.raises(ValueError, match=message) as caught:
        questions(source, "05-a")
    assert "05-a" in str(caught.value)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# 05 A\n\n{source}")])
    with pytest.raises(prepare.PageError, match=message):
        prepare.page(notebook, "05-a", set())


def test_the_page_marks_choices_and_folds_what_is_predicted_and_no_more():
    text = marked(ANSWERED, "05-a")
    assert 'data-kind="quiz"' in text and 'data-right="1"' in text and "\n- This\n- That $x$\n" in text
    assert "[ ]" not in text and text.startswith("**1.** What?\n") and text.endswith("</details>\n\nMore.")
    assert "data-right" not in marked(PREDICTION, "05-a")

    def code(source, shown="1\n"):
        return nbformat.v4.new_code_cell(source, outputs=[nbformat.v4.new_output("stream", text=shown)] * bool(shown))

    cells = [code("f(x)\ny = 1"), code("y = 2\nassert y > 1"), code("z = 3", ""), code("plt.show()")]
    markdown = nbformat.v4.new_markdown_cell
    notebook = nbformat.v4.new_notebook(
        cells=[markdown("# 05 A"), code("y = 0"), markdown(PREDICTION), *cells, markdown("So."), code("y = 4")]
    )
    tags = [cell.metadata.get("tags", []) for cell in prepare.page(notebook, "05-a", set()).cells if "outputs" in cell]
    hidden = [
        [],
        ["hide-output", "predicted"],
        ["hide-cell", "predicted"],
        [],
        ["hide-input", "hide-cell", "predicted"],
    ]
    assert tags == [*hidden, []]


@pytest.mark.parametrize("text", chapters(), ids=lambda path: path.stem)
def test_every_question_of_every_quiz_has_choices_and_the_right_one_is_not_always_in_one_place(text):
    sources = [cell.source for cell in generate(text).cells if cell.cell_type == "markdown"]
    asked = [question for source in sources for question in questions(source, text.stem)]
    quiz = [question for question in asked if question.kind == "quiz"]
    (rest,) = [part for source in sources for part in QUIZZES.split(source)[1:]]
    answers = re.split(r"^## ", rest, flags=re.MULTILINE)[0]
    assert len(quiz) == answers.count("<details>") >= 3
    assert len({question.right for question in quiz}) > 1
    assert len({question.key for question in asked}) == len(asked)
