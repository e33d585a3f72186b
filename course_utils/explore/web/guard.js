// The first thing an explorer needs: a way to say that something broke. All scripts of an explorer stand inside one
// function, so several on a page share no name.

const still = root.querySelector(".cp-picture");

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// A reader must never face an empty box: say what is wrong and show the picture that was stored with the page.
let failed = false;
function fail(error) {
  if (failed) return;
  failed = true;
  const words = `This figure cannot be moved here: ${error?.message ?? error}. Below is its stored picture.`;
  root.prepend(make("p", { class: "cp-problem", role: "alert" }, words));
  const rest = ".cp-controls, .cp-live, .cp-over, .cp-values, .cp-note";
  for (const part of root.querySelectorAll(rest)) part.hidden = true;
  still.hidden = false;
  root.dataset.state = "failed";
}

function guarded(action) {
  return (...given) => {
    if (failed) return undefined;
    try {
      const result = action(...given);
      if (result instanceof Promise) result.catch(fail);
      return result;
    } catch (error) {
      return fail(error);
    }
  };
}
