// What the methods minimise, in one line.

export const FORMULAS = {
  tikhonov: "min over x:  ‖A x − y‖² + λ ‖x‖²",
  tv: "min over x:  ‖A x − y‖² + λ TV(x)",
  hard: "min over z:  ‖A G(z) − y‖² + λ ‖z‖²",
  relaxed: "min over x, z:  ‖A x − y‖² + λ (‖G(z) − x‖² + μ ‖z‖²)",
  sparse: "min over z, u:  ‖A (G(z) + u) − y‖² + λ (‖u‖₁ + μ ‖z‖²)",
};
