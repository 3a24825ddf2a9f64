const [WIDTH, HEIGHT] = [96, 24];

/** A small curve without axes. Losses that are above 0 are drawn by their logarithms. */
export function Sparkline({ values, label }: { values: number[]; label: string }) {
  const isPositive = values.every((value) => value > 0);
  const drawn = values.map((value) => (isPositive ? Math.log10(value) : value)).filter(Number.isFinite);
  if (drawn.length < 2) return <span class="sparkline-empty" />;
  const [low, high] = [Math.min(...drawn), Math.max(...drawn)];
  const points = drawn.map((value, index) => {
    const x = 1 + (index / (drawn.length - 1)) * (WIDTH - 2);
    const y = 2 + (1 - (value - low) / (high - low || 1)) * (HEIGHT - 4);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  return (
    <svg
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      class="sparkline"
      role="img"
      aria-label={label}
    >
      <path d={`M${points.join("L")}`} />
    </svg>
  );
}
