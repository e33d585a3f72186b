// G(z) for a z of chosen length, and the training digit nearest to it. Which digit that is was looked up beforehand,
// since all of them would be too heavy for a page; the images and the distances are computed here.

import { squaredDistance } from "../../live/linear.js";
import { make } from "../../explore/web/dom.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage } from "../../explore/web/stage.js";
import { bytes, float32 } from "../../explore/web/stored.js";
import { loadImages, imageView } from "../../explore/web/image.js";
import { loadGenerators } from "../../explore/web/generators.js";

export function run(page) {
  const { root, data } = page;
  const generators = loadGenerators(page), families = Object.keys(generators), { d, usual } = data;
  const directions = float32(page, "directions"), digits = loadImages(page, "nearest digits", 784);
  const nearest = new Uint16Array(bytes(page, "nearest").buffer); // for each radius, direction and generator
  const views = families.map(family => [
    imageView(`${data.titles[family]}\nG(z)`, { width: 100 }), imageView("nearest digit", { width: 100 }),
  ]);
  stage(page, row(...views.map(pair => make("div", { class: "cp-pair" }, ...pair.map(view => view.element)))));

  const draw = () => {
    const { radius, direction } = panel.index, length = panel.value("radius") * Math.sqrt(d);
    const z = directions.slice(direction * d, (direction + 1) * d).map(v => v * length), said = [];
    root.far = {};
    families.forEach((family, f) => {
      const image = generators[family].forward(z);
      const place = (radius * (directions.length / d) + direction) * families.length + f;
      const digit = digits[nearest[place]], distance = Math.sqrt(squaredDistance(image, digit)) / usual;
      root.far[family] = { image, digit, distance }; // for tests
      views[f][0].draw(image);
      views[f][1].draw(digit, `nearest digit,\ndistance ${distance.toFixed(1)}`);
      said.push(`${data.titles[family]}: distance ${distance.toFixed(1)}`);
    });
    say(page, `Shown: ${panel.words()}. ${said.join("; ")}.`);
  };
  const panel = controls(page, draw);
  draw();
}
