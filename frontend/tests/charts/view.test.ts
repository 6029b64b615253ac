import { beforeEach, expect, test } from "vitest";

import { type Change, View } from "../../src/charts/view.ts";

let frames: (() => void)[];
let view: View;
let told: Change[];

beforeEach(() => {
  frames = [];
  told = [];
  view = new View((call) => frames.push(call));
  view.reach(600);
  view.subscribe((change) => told.push(change));
  frame();
  told.length = 0;
});

function frame(): void {
  for (const call of frames.splice(0)) call();
}

test("the whole run is shown at first, and grows with it", () => {
  expect(view.shown).toEqual({ from_s: 0, to_s: 600 });
  view.reach(610);
  view.reach(300);
  expect(view.shown).toEqual({ from_s: 0, to_s: 610 });
});

test("the last minutes move on with the run", () => {
  view.lastMinutes(5);
  expect(view.shown).toEqual({ from_s: 300, to_s: 600 });
  view.reach(660);
  expect(view.shown).toEqual({ from_s: 360, to_s: 660 });
  view.lastMinutes(15);
  expect(view.shown).toEqual({ from_s: 0, to_s: 660 });
  view.lastMinutes(null);
  expect(view.shown).toEqual({ from_s: 0, to_s: 660 });
});

test("a zoomed part stays while the run goes on", () => {
  view.zoom(200, 100);
  view.reach(700);
  expect(view.shown).toEqual({ from_s: 100, to_s: 200 });
  view.reset();
  expect(view.shown).toEqual({ from_s: 0, to_s: 700 });
});

test("no zoom is narrower than two seconds, or leaves the run", () => {
  view.zoom(10, 10.1);
  expect(view.shown.to_s - view.shown.from_s).toBe(2);
  view.zoom(590, 650);
  expect(view.shown).toEqual({ from_s: 540, to_s: 600 });
  view.zoom(-5, 20);
  expect(view.shown).toEqual({ from_s: 0, to_s: 25 });
});

test("a zoom as wide as the run is none", () => {
  view.lastMinutes(1);
  view.zoom(-100, 900);
  expect(view.range).toBeNull();
  expect(view.last_s).toBeNull();
});

test("zooming by steps keeps the cursor where it stands", () => {
  view.moveCursor(150);
  view.zoomBy(0.5);
  expect(view.shown).toEqual({ from_s: 75, to_s: 375 });
  view.zoomBy(2);
  expect(view.range).toBeNull();
});

test("panning moves a zoomed part, and stops at the ends", () => {
  view.pan(0.5);
  expect(view.range).toBeNull();
  view.zoom(100, 200);
  view.pan(0.5);
  expect(view.shown).toEqual({ from_s: 150, to_s: 250 });
  view.pan(-9);
  expect(view.shown).toEqual({ from_s: 0, to_s: 100 });
});

test("listeners hear of a change once in a frame", () => {
  view.zoom(1, 9);
  view.zoom(2, 9);
  view.moveCursor(3);
  view.moveCursor(4);
  expect(told).toEqual([]);
  frame();
  expect(told).toEqual(["range", "cursor"]);
  view.moveCursor(4);
  expect(frames).toEqual([]);
});

test("who no longer listens hears nothing", () => {
  const heard: Change[] = [];
  const end = view.subscribe((change) => heard.push(change));
  end();
  view.moveCursor(1);
  frame();
  expect(heard).toEqual([]);
});
