// Figures for people, with the same digits as the console's (loads/report/figures.py, loads/units.py). A dash for none.

const US_PER_S = 1_000_000;
const DASH = "-";

/** `value` with so many decimals and commas between thousands; halves go to the even digit, as Python has it. */
export function fixed(value: number, decimals: number): string {
  const [whole = "0", part] = even(value, decimals).split(".");
  const digits = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return part === undefined ? digits : `${digits}.${part}`;
}

/** `toFixed`, but for exact halves: it takes them up. */
function even(value: number, decimals: number): string {
  const scaled = value * 10 ** decimals;
  const floor = Math.floor(scaled);
  const isHalf = scaled - floor === 0.5 && /^-?\d+\.?\d*50*$/.test(value.toFixed(decimals + 25));
  const near = isHalf && floor % 2 === 0 ? floor / 10 ** decimals : value;
  const text = near.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

/** Milliseconds of microseconds, without the unit: "0.12", "12.3", "1,234". */
export function ms(value_us: number | null): string {
  if (value_us === null) return DASH;
  const value_ms = value_us / 1_000;
  if (value_ms >= 99.95) return fixed(value_ms, 0);
  return value_ms >= 9.995 ? fixed(value_ms, 1) : fixed(value_ms, 2);
}

/** A time of microseconds: "0.21 ms", and from a second on "6.1 s". */
export function time(value_us: number | null): string {
  if (value_us === null) return DASH;
  return value_us < US_PER_S ? `${ms(value_us)} ms` : `${fixed(value_us / US_PER_S, 1)} s`;
}

/** Whole things: "48,112". */
export function count(value: number | null): string {
  return value === null ? DASH : fixed(value, 0);
}

/** Per second, without the unit: "1,234", "56.7", "0.42". */
export function rate(value: number | null): string {
  if (value === null) return DASH;
  const size = Math.abs(value);
  if (size >= 99.95 || size === 0) return fixed(value, 0);
  return size >= 9.995 ? fixed(value, 1) : fixed(value, 2);
}

/** A part of one: "0 %", "0.03 %", "12.5 %", "100 %". Never "0 %" for some, nor "100 %" for not quite all. */
export function percent(share: number | null): string {
  if (share === null) return DASH;
  if (share === 0 || share === 1) return `${share * 100} %`;
  const value = share * 100;
  if (value < 0.01) return "< 0.01 %";
  if (value > 99.99 && value < 100) return "> 99.99 %";
  if (value >= 99.95 && value < 100) return `${fixed(value, 2)} %`;
  if (value < 0.995) return `${fixed(value, 2)} %`;
  return `${fixed(value, 1).replace(/\.0$/, "")} %`;
}

/** "512 B", "1.5 kB", "12.3 MB": thousands, as networks count. */
export function bytes(value: number | null): string {
  if (value === null) return DASH;
  if (value < 1_000) return `${fixed(value, 0)} B`;
  let scaled = value;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    scaled /= 1_000;
    if (scaled < 999.5 || unit === "TB") return `${fixed(scaled, scaled < 99.95 ? 1 : 0)} ${unit}`;
  }
  return DASH;
}

/** A span of microseconds: "850us", "12.5ms", "9.3s", "1m30s", "2h05m". */
export function duration(value_us: number | null): string {
  if (value_us === null) return DASH;
  if (value_us < 1_000) return `${Math.round(value_us)}us`;
  if (value_us < 999_500) return `${Number((value_us / 1_000).toPrecision(3))}ms`;
  if (value_us < 59_950_000) return `${fixed(value_us / US_PER_S, 1).replace(/\.0$/, "")}s`;
  const seconds = Math.round(value_us / US_PER_S);
  if (seconds >= 3_600) {
    const all = Math.round(value_us / (60 * US_PER_S));
    const minutes = all % 60;
    return `${Math.floor(all / 60)}h${minutes ? `${String(minutes).padStart(2, "0")}m` : ""}`;
  }
  const rest = seconds % 60;
  return `${Math.floor(seconds / 60)}m${rest ? `${String(rest).padStart(2, "0")}s` : ""}`;
}

/** A moment of a run, in seconds since its start: "0:07", "12:30", "1:02:03"; with `decimals` parts of a second. */
export function moment(t_s: number, decimals = 0): string {
  const parts = 10 ** decimals;
  const all = Math.round(t_s * parts);
  const whole = Math.floor(all / parts);
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3_600);
  const text = hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  return decimals && all % parts ? `${text}.${String(all % parts).padStart(decimals, "0")}` : text;
}

/** A date and time of day, here: "2026-03-14 09:26:53". */
export function clock(date: Date | string | null): string {
  if (date === null) return DASH;
  const at = typeof date === "string" ? new Date(date) : date;
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
