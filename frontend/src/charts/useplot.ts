// What a component needs to have a Plot: it is made anew when `shape` changes, and gets new data otherwise.

import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { AlignedData } from "uplot";

import type { Flag } from "./flags.ts";
import { Plot, type PlotSpec } from "./plot.ts";
import type { Mark } from "./types.ts";
import type { View } from "./view.ts";

export interface Plotted {
  host: RefObject<HTMLDivElement | null>;
  plot: RefObject<Plot | null>;
  /** Those that are shown, and where the plot begins from the left. */
  flags: readonly Flag[];
  left_px: number;
}

export interface Shown {
  view: View;
  data: AlignedData;
  marks: readonly Mark[];
  /** Where the data ends. */
  end_s: number;
}

/** `spec` is asked when a plot is made; what it is made of has to be told by `shape`. */
export function usePlot(shape: string, spec: () => Omit<PlotSpec, "onFlags">, shown: Shown): Plotted {
  const { view, data, marks, end_s } = shown;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const [found, setFound] = useState<{ flags: readonly Flag[]; left_px: number }>({ flags: [], left_px: 0 });
  useEffect(() => {
    if (host.current === null) return undefined;
    const onFlags = (flags: readonly Flag[], left_px: number) => setFound({ flags, left_px });
    const made = new Plot(host.current, view, { ...spec(), onFlags });
    plot.current = made;
    return () => made.destroy();
  }, [shape, view]);
  useEffect(() => {
    view.reach(end_s);
    plot.current?.show(data, marks);
  }, [data, marks, shape, view]);
  return { host, plot, ...found };
}
