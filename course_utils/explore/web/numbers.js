// How numbers are written.

const SUPERSCRIPT = { "-": "⁻", ...["⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"] };

// A number with few digits: 0.0032, 12.5, 10⁻⁵.
export function short(value, digits = 3) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e5) {
    const [factor, power] = value.toExponential(digits - 1).split("e");
    const ten = `10${[...String(Number(power))].map(c => SUPERSCRIPT[c]).join("")}`;
    const number = Number(factor);
    return (number === 1 ? ten : `${number}·${ten}`).replace("-", "−");
  }
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}
