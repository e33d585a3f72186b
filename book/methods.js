// Sorting and filtering for the table in book/methods.md.  Without this script the page is a plain table of all rows.
(() => {
  "use strict";
  const table = document.querySelector("#methods table");
  if (!table) return;
  const head = [...table.tHead.rows[0].cells], body = table.tBodies[0], rows = [...body.rows];
  const text = (row, k) => row.cells[k].textContent.trim();
  // "21.0 ± 1.4" sorts by 21.0; where there is no number, by words
  const value = (row, k) => parseFloat(text(row, k));

  const status = document.createElement("p");
  status.setAttribute("role", "status");
  const bar = document.createElement("p");
  const menus = [0, 1].map((column) => {
    const name = head[column].textContent.trim();
    const label = document.createElement("label"), menu = document.createElement("select");
    for (const choice of ["all", ...new Set(rows.map((row) => text(row, column)))]) menu.add(new Option(choice, choice));
    menu.addEventListener("change", filter);
    label.append(`${name}: `, menu);
    bar.append(label, " ");
    return menu;
  });

  function filter() {
    for (const row of rows) row.hidden = menus.some((menu, k) => menu.value !== "all" && text(row, k) !== menu.value);
    // a column that says the same in every row says nothing
    menus.forEach((menu, k) => {
      for (const row of [table.tHead.rows[0], ...rows]) row.cells[k].hidden = menu.value !== "all";
    });
    status.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows.`;
  }

  function sort(k, rising) {
    const numbers = rows.some((row) => !Number.isNaN(value(row, k)));
    const sign = rising ? 1 : -1;
    rows.sort((a, b) => {
      if (!numbers) return sign * text(a, k).localeCompare(text(b, k));
      const [u, v] = [value(a, k), value(b, k)];
      if (Number.isNaN(u) || Number.isNaN(v)) return Number.isNaN(u) - Number.isNaN(v); // empty ones last
      return sign * (u - v);
    });
    body.append(...rows);
    head.forEach((cell, j) => cell.setAttribute("aria-sort", j !== k ? "none" : rising ? "ascending" : "descending"));
  }

  head.forEach((cell, k) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent.trim();
    button.addEventListener("click", () => sort(k, cell.getAttribute("aria-sort") !== "ascending"));
    cell.replaceChildren(button);
  });
  const style = document.createElement("style");
  style.textContent = `
    #methods table { font-size: 0.85rem; }
    #methods td { white-space: nowrap; }
    #methods td:nth-child(3) { white-space: normal; min-width: 8rem; }
    #methods th button { background: none; border: 0; color: inherit; font: inherit; padding: 0; text-align: left; }
    #methods th button::after { content: " ↕"; opacity: 0.5; }
    #methods th[aria-sort="ascending"] button::after { content: " ↑"; opacity: 1; }
    #methods th[aria-sort="descending"] button::after { content: " ↓"; opacity: 1; }`;
  table.before(style, bar, status);
  menus[0].selectedIndex = 1; // one problem at first: all of them are a long table
  filter();
})();
