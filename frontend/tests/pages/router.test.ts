import { beforeEach, expect, test } from "vitest";

import { followLinks, navigate, pathOfComparison, pathOfRun, routeOf } from "../../src/pages/router.ts";

beforeEach(() => history.replaceState(null, "", "/"));

test("each page has its address", () => {
  expect(["/", "/runs", "/runs/", "/compare", "/static/x.js"].map((path) => routeOf(path).page)).toEqual([
    "cluster", "runs", "runs", "compare", "unknown",
  ]);
  for (const run of ["7c1e5a90", "a b/ü?", "%"]) expect(routeOf(pathOfRun(run))).toEqual({ page: "run", run });
  expect(routeOf("/runs/%E0%A4%A").page).toBe("run");
  expect(pathOfComparison("a&b", "c")).toBe("/compare?a=a%26b&b=c");
});

/** Whether a click on `link` stays in the page. */
function isTaken(link: string, options: MouseEventInit = {}): boolean {
  const place = document.createElement("div");
  place.innerHTML = link;
  document.body.append(place);
  let isOurs = false;
  place.addEventListener("click", (event) => {
    followLinks(event);
    isOurs = event.defaultPrevented;
    event.preventDefault();
  });
  const click = new MouseEvent("click", { bubbles: true, cancelable: true, button: 0, ...options });
  const target = place.querySelector("b") ?? place.querySelector("a");
  target?.dispatchEvent(click);
  place.remove();
  return isOurs;
}

test("a click on a link to a page of ours loads nothing anew", () => {
  expect(isTaken('<a href="/runs?text=x"><b>Runs</b></a>')).toBe(true);
  expect(location.pathname + location.search).toBe("/runs?text=x");
});

test("other links are the browser's", () => {
  expect(isTaken('<a href="/runs" target="_blank">x</a>')).toBe(false);
  expect(isTaken('<a href="/api/runs/1/report" download>x</a>')).toBe(false);
  expect(isTaken('<a href="https://example.org/">x</a>')).toBe(false);
  expect(isTaken('<a href="/login">x</a>')).toBe(false);
  expect(isTaken('<a href="/runs">x</a>', { ctrlKey: true })).toBe(false);
  expect(isTaken('<a href="#charts">x</a>')).toBe(false);
  expect(isTaken("<b>no link</b>")).toBe(false);
});

test("going somewhere is told once, and going nowhere not at all", () => {
  let told = 0;
  const count = (): number => (told += 1);
  addEventListener("loads-moved", count);
  navigate("/runs");
  navigate("/runs");
  navigate("/runs?text=a", true);
  removeEventListener("loads-moved", count);
  expect(told).toBe(2);
  expect(location.search).toBe("?text=a");
});
