// The form that makes a link for nbgitpuller, in book/syllabus.md.  Without this script the page shows one to copy.
(() => {
  "use strict";
  const place = document.getElementById("hub-link");
  const sample = place?.querySelector("pre");
  if (!sample) return;
  const pattern = sample.textContent.trim();
  const listed = [...place.querySelectorAll("li[data-stem]")];
  const first = listed[0].dataset.stem;

  const form = document.createElement("form");
  const labelled = (words, field) => {
    const label = document.createElement("label");
    label.append(`${words} `, field);
    form.append(label);
    return field;
  };
  const hub = labelled("Address of the hub", document.createElement("input"));
  hub.type = "url";
  hub.placeholder = "https://hub.example.org";
  const chapter = labelled("Chapter", document.createElement("select"));
  for (const item of listed) chapter.add(new Option(item.textContent, item.dataset.stem));
  const answer = document.createElement("p");
  answer.setAttribute("role", "status");
  form.append(answer);
  form.addEventListener("submit", (event) => event.preventDefault());

  function show() {
    const given = hub.value.trim().replace(/\/+$/, "");
    if (!/^https?:\/\/[^\s/]/.test(given)) {
      answer.textContent = given ? "The address begins with https:// and the name of the hub." : "";
      return;
    }
    const link = document.createElement("a");
    link.href = link.textContent = pattern
      .replace("https://hub.example.org", () => given)
      .replace(first, () => chapter.value);
    answer.replaceChildren(link);
  }
  form.addEventListener("input", show);
  place.querySelector("p").textContent =
    "Write the address of your hub and choose a chapter; the link appears below, to be copied.";
  place.querySelector("div[class*=highlight]").replaceWith(form);
})();
