// What stands between an explorer and its reader: the page's data, and a way to say that something broke.

// root: the element of the explorer. Gives { root, data, guarded(action) }; a guarded action that throws ends the
// explorer, as does one that returns a promise which is broken later.
export function openPage(root) {
  let failed = false;

  // A reader must never face an empty box: say what is wrong and show the picture that was stored with the page.
  function fail(error) {
    if (failed) return;
    failed = true;
    const problem = document.createElement("p");
    problem.className = "cp-problem";
    problem.setAttribute("role", "alert");
    problem.textContent = `This figure cannot be moved here: ${error?.message ?? error}. Below is its stored picture.`;
    root.prepend(problem);
    const rest = ".cp-controls, .cp-live, .cp-over, .cp-values, .cp-note, .cp-tools, .cp-kept, .cp-kept-values";
    for (const part of root.querySelectorAll(rest)) part.hidden = true;
    root.querySelector(".cp-picture").hidden = false;
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

  const data = guarded(() => JSON.parse(root.querySelector(".cp-data").textContent))();
  return { root, data, guarded };
}
