// Tick boxes for the list of exercises in book/progress.md.  Without this script the page is a plain list.
// The ticks live in localStorage only.  Boxes are ordinary inputs, so keyboards and screen readers know them.
(() => {
  "use strict";
  const KEY = "course-exercises-done";
  const list = document.getElementById("exercises");
  if (!list) return;

  let kept = true; // a browser may refuse to store; the page then says so
  let done = new Set();
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    if (Array.isArray(stored)) done = new Set(stored);
  } catch (error) {
    kept = error instanceof SyntaxError; // spoilt contents are replaced by the next tick
  }

  const status = document.createElement("p");
  status.setAttribute("role", "status");
  const clear = document.createElement("button");
  clear.type = "button";
  clear.textContent = "Clear all ticks";
  const boxes = [];

  function show() {
    const ticked = boxes.filter((box) => box.checked).length;
    status.textContent =
      `${ticked} of ${boxes.length} exercises done.` + (kept ? "" : " This browser does not keep the ticks.");
    clear.disabled = ticked === 0;
  }

  function store() {
    try {
      localStorage.setItem(KEY, JSON.stringify([...done]));
      kept = true;
    } catch {
      kept = false;
    }
    show();
  }

  for (const mark of list.querySelectorAll("[data-exercise]")) {
    const item = mark.parentNode;
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = done.has(mark.dataset.exercise);
    box.addEventListener("change", () => {
      if (box.checked) done.add(mark.dataset.exercise);
      else done.delete(mark.dataset.exercise);
      store();
    });
    // the whole line is the label, so that a click on the words ticks too
    const label = document.createElement("label");
    label.append(...item.childNodes);
    label.prepend(box, " ");
    item.append(label);
    boxes.push(box);
  }

  // What was answered on the chapters' pages; the functions are those of questions.js.
  const answers = keptAnswers();
  for (const place of list.querySelectorAll("[data-quiz], [data-prediction]")) {
    const keys = (place.dataset.quiz ?? place.dataset.prediction).split(" ");
    const given = keys.map((key) => answers[key]).filter(Boolean);
    const right = given.filter((answer) => answer.right).length;
    place.textContent = `${given.length} of ${keys.length} answered`;
    if ("quiz" in place.dataset && given.length) place.textContent += `, ${right} of them right`;
  }

  clear.addEventListener("click", () => {
    for (const box of boxes) box.checked = false;
    done.clear();
    store();
    boxes[0]?.focus(); // the button is disabled now and would lose the keyboard's place
  });

  list.before(status);
  list.after(clear);
  show();
})();
