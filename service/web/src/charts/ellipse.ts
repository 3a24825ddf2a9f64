// The geometry of an exact loss: loss + ½·(θ − centre)ᵀ·hessian·(θ − centre).

export type Pair = [number, number];

export interface Bowl {
  /** Symmetric, 2 × 2. */
  hessian: number[][];
  centre: number[];
  loss: number;
}

/** Along a direction without curvature an ellipse is this much longer than it is wide. */
const LONGEST = 1e4;

export function lossAt({ hessian, centre, loss }: Bowl, point: number[]): number {
  const moved = point.map((value, index) => value - (centre[index] ?? 0));
  const squares = moved.flatMap((one, i) => moved.map((other, j) => one * other * (hessian[i]?.[j] ?? 0)));
  return loss + squares.reduce((sum, each) => sum + each, 0) / 2;
}

/** Points of the ellipse on which the loss has this value. */
export function ellipse(bowl: Bowl, level: number, points = 64): Pair[] {
  const { values, vectors } = eigen(bowl.hessian);
  const greatest = Math.max(...values);
  const radii = values.map((value) =>
    Math.sqrt((2 * Math.max(0, level - bowl.loss)) / Math.max(value, greatest / LONGEST ** 2)),
  );
  const [cx = 0, cy = 0] = bowl.centre;
  return Array.from({ length: points }, (_, index) => {
    const angle = (2 * Math.PI * index) / points;
    const [a, b] = [(radii[0] ?? 0) * Math.cos(angle), (radii[1] ?? 0) * Math.sin(angle)];
    return [cx + a * vectors[0][0] + b * vectors[1][0], cy + a * vectors[0][1] + b * vectors[1][1]];
  });
}

/** Eigenvalues of a symmetric 2 × 2 matrix, the greatest first, with their directions. */
export function eigen(matrix: number[][]): { values: Pair; vectors: [Pair, Pair] } {
  const [a, b, c] = [matrix[0]?.[0] ?? 0, matrix[0]?.[1] ?? 0, matrix[1]?.[1] ?? 0];
  const angle = 0.5 * Math.atan2(2 * b, a - c);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const along = (x: number, y: number) => a * x * x + 2 * b * x * y + c * y * y;
  return {
    values: [along(cos, sin), along(-sin, cos)],
    vectors: [
      [cos, sin],
      [-sin, cos],
    ],
  };
}

/** Losses whose contours show a bowl from its bottom to a height, closer where it is flat. */
export function levels(bottom: number, top: number, count = 9): number[] {
  return Array.from({ length: count }, (_, index) => bottom + (top - bottom) * ((index + 1) / count) ** 2);
}
