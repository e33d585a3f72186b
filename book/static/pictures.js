// A picture that is shown smaller than it is can be enlarged: by a click on it, or by the button below it.
"use strict";
{
  // Times its own size, so that the smallest letters of the figures, 7 points at 110 dots an inch, have over 11 pixels.
  const ENLARGED = 1.1;
  const SHRUNK = 0.9; // shown at less than this share of its size, a picture is worth enlarging

  let dialog = null;
  function frame() {
    if (dialog) return dialog;
    dialog = document.createElement("dialog"); // keeps the focus inside, closes by Escape, and gives the focus back
    dialog.className = "course-picture";
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    const room = document.createElement("div");
    room.className = "course-picture-room";
    room.tabIndex = 0; // the arrow keys scroll it
    room.setAttribute("role", "group");
    dialog.append(close, room);
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close(); // beside the picture
    });
    document.body.append(dialog);
    return dialog;
  }

  function enlarge(image, button) {
    button.focus(); // where the focus returns to, also after a click on the picture
    const room = frame().querySelector(".course-picture-room");
    const large = document.createElement("img");
    large.src = image.currentSrc || image.src;
    large.alt = image.alt;
    large.className = "dark-light"; // the theme would dim it in the dark
    large.width = Math.round(ENLARGED * image.naturalWidth);
    large.height = Math.round(ENLARGED * image.naturalHeight);
    room.replaceChildren(large);
    room.setAttribute("aria-label", "the picture, enlarged");
    dialog.setAttribute("aria-label", "Enlarged picture");
    dialog.showModal();
    room.scrollTo(0, 0);
    room.focus();
  }

  function offer(image) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "course-enlarge";
    button.textContent = "Enlarge the picture";
    button.hidden = true;
    image.after(button);
    button.addEventListener("click", () => enlarge(image, button));
    image.addEventListener("click", () => {
      if (!button.hidden) enlarge(image, button);
    });
    const look = () => {
      button.hidden = !(image.clientWidth > 0 && image.clientWidth < SHRUNK * image.naturalWidth);
      image.classList.toggle("course-shrunk", !button.hidden);
    };
    new ResizeObserver(look).observe(image); // also when it was hidden until now, or the screen turns
    image.addEventListener("load", look);
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const image of document.querySelectorAll("article img"))
      if (!image.closest(".course-page, .sd-card, a, button")) offer(image);
  });
}
