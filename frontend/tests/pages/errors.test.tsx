import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test } from "vitest";

import { View } from "../../src/charts/view.ts";
import type { ErrorFigures, ErrorText } from "../../src/messages.ts";
import { Errors, overTime } from "../../src/pages/parts/errors.tsx";
import { RunContext } from "../../src/pages/parts/frame.ts";
import { ReportedRun } from "../../src/store/followed.ts";
import { OTHER } from "../../src/store/model.ts";
import { frameOf, sample } from "../store/sample.ts";

let place: HTMLElement;

beforeEach(() => {
  place = document.createElement("main");
  document.body.append(place);
});

afterEach(() => {
  dispatchEvent(new Event("afterprint"));
  render(null, place);
  place.remove();
});

function show(kinds: string[]): void {
  const errors = kinds.map((kind, id): ErrorText => ({
    id, kind, outcome: "error", place: "t.py:3", scenario: "m.Class.test", message: "no", traceback: "Traceback\n  here", first_us: 1e6,
  }));
  const error_figures = kinds.map((_, id): ErrorFigures => ({ id, count: 100 - id, last_us: 2e6, points: [[1, 100 - id]], series: {} }));
  const source = new ReportedRun({ run: { ...frameOf({ errors, error_figures }), full: true }, series: [] });
  const context = { source, view: new View() };
  act(() => render(<RunContext.Provider value={context}><Errors /></RunContext.Provider>, place));
}

test("the most frequent kinds stand first, and all of many are one press away", () => {
  show(Array.from({ length: 60 }, (_, at) => `Error${at}`));
  expect(place.querySelectorAll(".error")).toHaveLength(25);
  expect(place.querySelector("h3")?.textContent).toBe("Error0");
  const more = [...place.querySelectorAll("button")].find((one) => one.textContent === "Show 35 more kinds");
  act(() => more?.click());
  expect(place.querySelectorAll(".error")).toHaveLength(60);
});

test("kinds that could not be told apart say so", () => {
  show([OTHER]);
  expect(place.querySelector("h3")?.textContent).toBe("Other kinds");
  expect(place.textContent).toContain("too many kinds");
});

test("tracebacks are folded away, but not on paper", () => {
  show(["KeyError"]);
  const details = place.querySelector("details");
  expect(details?.open).toBe(false);
  dispatchEvent(new Event("beforeprint"));
  expect(details?.open).toBe(true);
  dispatchEvent(new Event("afterprint"));
  expect(details?.open).toBe(false);
});

test("nothing that failed is said, too", () => {
  show([]);
  expect(place.textContent).toContain("No iteration failed");
});

test("errors over time fall into equal parts of the run so far", () => {
  expect(overTime([[0, 3], [9, 4]], 10e6)).toEqual([3, 0, 0, 0, 0, 0, 0, 0, 0, 4]);
  expect(overTime([[599, 1]], 600e6)).toHaveLength(60);
  expect(overTime([], 0)).toEqual([0, 0]);
  expect(overTime([[70, 2]], 60e6).at(-1)).toBe(2);
});

test("the sample's errors are those of its last frame", () => {
  const source = new ReportedRun({ run: sample["run-final"], series: [] });
  expect(source.model.errors.map(({ figures }) => figures.count)).toEqual(
    [...sample["run-final"].error_figures].map(({ count }) => count).sort((a, b) => b - a),
  );
});
