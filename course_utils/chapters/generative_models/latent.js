// A walk between the encodings of two digits, with two coordinates shifted, drawn by each generator.

import { norm } from "../../live/linear.js";
import { PALETTE, METHODS } from "../../explore/web/palette.js";
import { make } from "../../explore/web/dom.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage } from "../../explore/web/stage.js";
import { float32 } from "../../explore/web/stored.js";
import { loadImages, imageView } from "../../explore/web/image.js";
import { loadGenerators } from "../../explore/web/generators.js";
import { chart } from "../../explore/web/chart.js";

export function run(page) {
  const { root, data } = page;
  const generators = loadGenerators(page), digits = loadImages(page, "digits", 784), families = Object.keys(generators);
  const numbers = float32(page, "codes"), d = data.d; // for each family 10 encodings, then one unit of z
  const codes = Object.fromEntries(families.map((family, f) => [
    family, Array.from({ length: 11 }, (_, k) => numbers.subarray((11 * f + k) * d, (11 * f + k + 1) * d)),
  ]));
  const ends = [imageView("from", { width: 112 }), imageView("to", { width: 112 })];
  const column = (...parts) => make("div", {}, ...parts);
  const images = {}, bars = {};
  const columns = families.map(family => {
    images[family] = imageView(family, { width: 112 });
    bars[family] = chart(page, `latent vector of ${data.titles[family]}`, { width: 164, height: 140, left: 40,
      xlabel: "latent coordinate", ylabel: "z", xticks: [1, 2, 3, 4, 5, 6, 7, 8], yticks: [-5, 0, 5] });
    images[family].element.style.marginLeft = "40px";
    return column(images[family].element, bars[family].element);
  });
  stage(page, row(column(...ends.map(end => end.element)), ...columns));
  const reach = data.reach, places = Array.from({ length: d }, (_, k) => k + 1);

  const draw = () => {
    const at = Object.fromEntries(["first", "second", "t", "i", "a", "j", "b"].map(key => [key, panel.value(key)]));
    ends[0].draw(digits[at.first], `from ${at.first}`);
    ends[1].draw(digits[at.second], `to ${at.second}`);
    const said = [];
    root.latent = {};
    for (const family of families) {
      const own = codes[family], unit = own[10];
      const z = own[at.first].map((v, k) => (1 - at.t) * v + at.t * own[at.second][k]);
      z[at.i] += at.a * unit[at.i];
      z[at.j] += at.b * unit[at.j];
      const image = generators[family].forward(z), title = `${data.titles[family]}: ‖z‖ = ${norm(z).toFixed(1)}`;
      root.latent[family] = { z, image }; // for tests
      images[family].draw(image, title);
      said.push(title);
      const colors = places.map(k => (k - 1 === at.i || k - 1 === at.j ? PALETTE.orange : METHODS[family].color));
      bars[family].draw({ x: [0.4, d + 0.6], y: [-reach, reach], layers: [
        { kind: "bars", x: places, y: z, width: 0.75, colors },
        { kind: "hline", at: 0, color: "#1a1a1a", dash: "none", width: 1 },
      ] });
    }
    say(page, `Shown: ${panel.words()}. ${said.join("; ")}.`);
  };
  const panel = controls(page, draw);
  draw();
}
