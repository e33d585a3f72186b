// Questions with choices: predictions, which keep folded what an experiment shows, and quizzes.
// book/questions.py marks them.  Without this script the choices are a list, and what is folded opens by hand.
// Answers lie in localStorage only; book/progress.js counts them.
"use strict";

const ANSWERS = "course-answers";

// What the browser keeps: key of a question -> {said, right}; {} if it keeps nothing or the contents are spoilt.
function keptAnswers() {
  try {
    const kept = JSON.parse(localStorage.getItem(ANSWERS) ?? "{}");
    return kept && typeof kept === "object" && !Array.isArray(kept) ? kept : {};
  } catch {
    return {};
  }
}

// Returns whether the browser keeps it.
function keepAnswer(key, answer) {
  const kept = keptAnswers();
  if (answer) kept[key] = answer;
  else delete kept[key];
  try {
    localStorage.setItem(ANSWERS, JSON.stringify(kept));
    return true;
  } catch {
    return false;
  }
}

// The folds of the experiment below a prediction: those of the cells up to the next text.
function foldsBelow(block) {
  const found = [];
  for (let next = block.nextElementSibling; next?.matches("div.cell"); next = next.nextElementSibling)
    if (next.classList.contains("tag_predicted")) found.push(next.querySelector("details"));
  return found.filter(Boolean);
}

// What is said of it: the texts below the experiment, up to a heading, a cell, or a paragraph that begins a subject.
function wordsBelow(block) {
  const found = [];
  let next = block.nextElementSibling;
  while (next?.matches("div.cell")) next = next.nextElementSibling;
  for (; next && !next.matches("div.cell, section, details, .course-choices"); next = next.nextElementSibling) {
    if (found.length && next.matches("p:has(> strong:first-child)")) break;
    found.push(next);
  }
  return found;
}

// The fold with the answer of a quiz.
function answerBelow(block) {
  const next = block.nextElementSibling;
  return next?.matches("details") ? [next] : [];
}

function button(text) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(text);
  return made;
}

class Question {
  constructor(block) {
    this.block = block;
    this.key = block.dataset.key;
    this.predicts = block.dataset.kind === "prediction";
    this.right = this.predicts ? null : Number(block.dataset.right);
    this.folds = this.predicts ? foldsBelow(block) : answerBelow(block);
    this.words = this.predicts ? wordsBelow(block) : [];
    this.said = null; // the answer, a text
    this.verdict = document.createElement("p");
    this.verdict.className = "course-verdict";
    this.verdict.setAttribute("role", "status");
    this.again = button(this.predicts ? "Fold it again and forget my answer" : "Ask me again");
    this.again.className = "course-again";
    this.again.hidden = true;
    this.again.addEventListener("click", () => this.forget());
    const items = [...block.querySelectorAll(":scope > ul > li")];
    this.group = document.createElement("div");
    this.group.className = "course-buttons";
    this.group.setAttribute("role", "group");
    this.group.setAttribute("aria-label", this.predicts ? "Your prediction" : "Your answer");
    const numeric = items.length === 1;
    this.buttons = numeric ? this.field(items[0].textContent.replace(/_+/, "").trim()) : this.choices(items);
    block.querySelector(":scope > ul").replaceWith(this.group, this.verdict, this.again);
    if (this.predicts) this.closeFolds();
    const before = keptAnswers()[this.key];
    if (before) this.show(before.said, before.choice);
  }

  choices(items) {
    return items.map((item, choice) => {
      const made = button("");
      made.append(...(item.querySelector(":scope > p") ?? item).childNodes);
      made.setAttribute("aria-pressed", "false");
      made.addEventListener("click", () => this.said === null && this.answer(made.textContent.trim(), choice));
      this.group.append(made);
      return made;
    });
  }

  field(unit) {
    const input = document.createElement("input");
    input.type = "number";
    input.step = "any";
    const label = document.createElement("label");
    label.append("My prediction: ", input, ` ${unit}`);
    const keep = button("Show what happens");
    const send = () => this.said === null && input.value !== "" && this.answer(`${input.value} ${unit}`, null);
    keep.addEventListener("click", send);
    input.addEventListener("keydown", (event) => event.key === "Enter" && send());
    this.input = input;
    this.group.append(label, keep);
    return [keep];
  }

  // Nobody looks first: the fold of an experiment leads to its question, and what is said of it waits.
  closeFolds() {
    this.untold(true);
    const skip = button("Show it without an answer");
    skip.className = "course-again";
    skip.addEventListener("click", () => this.answer("", null));
    this.skip = skip;
    this.again.before(skip);
    for (const fold of this.folds) {
      fold.querySelector("summary").addEventListener("click", (event) => {
        if (this.said !== null) return;
        event.preventDefault();
        this.verdict.textContent = "Answer first; then it opens.";
        (this.input ?? this.buttons[0]).focus();
      });
    }
  }

  answer(said, choice) {
    const kept = keepAnswer(this.key, { said, choice, right: this.predicts ? null : choice === this.right });
    this.show(said, choice);
    for (const fold of this.folds) fold.open = true;
    if (!kept) this.verdict.append(" This browser does not keep the answer.");
  }

  show(said, choice) {
    this.said = said;
    this.block.dataset.answered = "";
    this.again.hidden = false;
    if (this.skip) this.skip.hidden = true;
    if (this.input) this.input.readOnly = true;
    if (this.input && said) this.input.value = parseFloat(said);
    this.buttons.forEach((made, k) => {
      if (this.input) made.hidden = true;
      else made.setAttribute("aria-pressed", String(k === choice));
      made.classList.toggle("course-right", k === this.right);
    });
    if (this.predicts) this.tell(said, choice);
    else if (choice === this.right) this.verdict.textContent = "Right. The reason stands below.";
    else this.verdict.textContent = "Wrong. The right choice is marked, and the reason stands below.";
  }

  untold(wait) {
    for (const words of this.words) words.classList.toggle("course-untold", wait);
  }

  // Beside what the experiment shows stands what was predicted; judging is left to the reader.
  tell(said, choice) {
    const beside = document.createElement("p");
    beside.className = "course-said";
    // the words of the button and not the text of it, because formulas are more than text
    const words = this.input || choice === null ? [said] : [...this.buttons[choice].cloneNode(true).childNodes];
    beside.append(...(said ? ["You said: ", ...words] : ["You gave no answer"]), ".");
    this.verdict.textContent = said ? "Kept. What happens stands below." : "What happens stands below.";
    for (const fold of this.folds) fold.open = true;
    this.untold(false);
    this.folds[0]?.querySelector(".cell_output")?.before(beside);
  }

  forget() {
    keepAnswer(this.key, null);
    this.said = null;
    delete this.block.dataset.answered;
    this.verdict.textContent = "";
    this.again.hidden = true;
    this.untold(true);
    for (const fold of this.folds) {
      fold.open = false;
      fold.querySelector(".course-said")?.remove();
    }
    if (this.skip) this.skip.hidden = false;
    if (this.input) this.input.readOnly = false;
    for (const made of this.buttons) {
      made.hidden = false;
      if (!this.input) made.setAttribute("aria-pressed", "false");
      made.classList.remove("course-right");
    }
    (this.input ?? this.buttons[0]).focus();
  }
}

// Not at "load", which comes late where explorers compute.  The formulas move with the words, before or after MathJax.
document.addEventListener("DOMContentLoaded", () => {
  for (const block of document.querySelectorAll(".course-choices")) new Question(block);
});
