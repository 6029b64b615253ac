// A small line without axes.

export interface SparklineProps {
  /** Oldest first; null: nothing is known there. */
  values: readonly (number | null)[];
  /** What it shows, for those who can't see it. */
  label: string;
}

const WIDTH = 96;
const HEIGHT = 22;
const EDGE = 2;

/** Its values from 0 up, as wide as its column. */
export function Sparkline({ values, label }: SparklineProps) {
  const { line, area } = sparkPaths(values);
  return (
    <svg class="spark" role="img" aria-label={label} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
      <path class="spark-area" d={area} />
      <path class="spark-line" d={line} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

/** The line, and the area below it, as SVG paths; a hole splits them. */
export function sparkPaths(values: readonly (number | null)[]): { line: string; area: string } {
  const top = values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0) || 1;
  const apart = WIDTH / Math.max(1, values.length - 1);
  const floor = HEIGHT - EDGE / 2;
  const paths = { line: "", area: "" };
  let part: string[] = [];
  let from = 0;
  const end = (to: number) => {
    if (part.length === 0) return;
    const points = part.length === 1 ? `${part[0]}h0.01` : part.join("L");
    paths.line += `M${points}`;
    if (part.length > 1) paths.area += `M${place(from * apart)} ${floor}L${points}L${place((to - 1) * apart)} ${floor}Z`;
    part = [];
  };
  values.forEach((value, at) => {
    if (value === null) {
      end(at);
      return;
    }
    if (part.length === 0) from = at;
    part.push(`${place(at * apart)} ${place(floor - (value / top) * (HEIGHT - 2 * EDGE))}`);
  });
  end(values.length);
  return paths;
}

function place(value: number): string {
  return String(Math.round(value * 10) / 10);
}
