/** How good a reconstruction is. */

import { squaredDistance } from "./linear.js";
import { expectLength } from "./check.js";

/** Peak signal-to-noise ratio in dB, for grey values in [0, 1]. */
export function psnr(x, truth) {
  expectLength("x", x, truth.length);
  return 10 * Math.log10(truth.length / squaredDistance(x, truth));
}
