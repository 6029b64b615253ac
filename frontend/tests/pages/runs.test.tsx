import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { RunList } from "../../src/messages.ts";
import { RunsPage } from "../../src/pages/runs.tsx";
import { sample } from "../store/sample.ts";

let place: HTMLElement;
let asked: URLSearchParams[];
let answer: RunList;

beforeEach(() => {
  vi.useFakeTimers();
  history.replaceState(null, "", "/runs");
  asked = [];
  answer = sample.runs;
  vi.stubGlobal("fetch", async (path: string) => {
    asked.push(new URL(path, "http://here").searchParams);
    return new Response(JSON.stringify(answer));
  });
  place = document.createElement("main");
  document.body.append(place);
});

afterEach(() => {
  render(null, place);
  place.remove();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function show(): Promise<void> {
  await act(async () => {
    render(<RunsPage />, place);
  });
  await soon();
}

/** Lets what waits for an answer, or for typing to rest, go on. */
async function soon(): Promise<void> {
  await act(async () => {
    await vi.advanceTimersByTimeAsync(300);
  });
}

function choose(label: string, value: string): void {
  const field = [...place.querySelectorAll("label")].find((one) => one.textContent?.startsWith(label));
  const input = field?.querySelector<HTMLInputElement | HTMLSelectElement>("input, select");
  if (!input) throw new Error(`there is no ${label}`);
  input.value = value;
  input.dispatchEvent(new Event(label === "Search" ? "input" : "change", { bubbles: true }));
}

const box = (at: number): HTMLInputElement => place.querySelectorAll<HTMLInputElement>("tbody input[type=checkbox]")[at] as HTMLInputElement;

test("what an address asks for is asked for, and stands in the fields", async () => {
  history.replaceState(null, "", "/runs?text=shop&verdict=failed&tag=branch%3Dmain&from=2026-03-01");
  await show();
  expect(asked[0]?.toString()).toBe("text=shop&verdict=failed&from=2026-03-01&tag=branch%3Dmain&limit=50");
  expect(place.querySelector<HTMLInputElement>("input[type=search]")?.value).toBe("shop");
  expect(place.querySelector("[aria-label='Without tag branch=main']")).not.toBeNull();
});

test("each filter goes into the address, and begins at the first page", async () => {
  history.replaceState(null, "", "/runs?offset=50");
  await show();
  choose("Verdict", "passed");
  await soon();
  choose("Tag", "branch=next");
  await soon();
  choose("Search", " che");
  choose("Search", " check ");
  await soon();
  expect(location.search).toBe("?text=check&verdict=passed&tag=branch%3Dnext");
  expect(asked.map((query) => query.get("offset"))).toEqual(["50", null, null, null]);
});

test("two that are ticked can be compared, and not a third", async () => {
  await show();
  act(() => box(1).click());
  expect(place.querySelector("a[href^='/compare']")).toBeNull();
  act(() => box(2).click());
  expect(box(3).disabled).toBe(true);
  const [, a, b] = answer.runs;
  expect(place.querySelector("a[href^='/compare']")?.getAttribute("href")).toBe(`/compare?a=${a?.id}&b=${b?.id}`);
});

test("an empty history says how to begin, and an empty search how to get back", async () => {
  answer = { total: 0, runs: [], labels: [], tags: {} };
  await show();
  expect(place.textContent).toContain("loads-runner -a 1");
  choose("Verdict", "invalid");
  await soon();
  act(() => [...place.querySelectorAll("button")].find((one) => one.textContent === "Show all runs")?.click());
  await soon();
  expect(location.search).toBe("");
});

test("the list is fetched anew while somebody looks", async () => {
  await show();
  await act(async () => {
    await vi.advanceTimersByTimeAsync(30_000);
  });
  expect(asked.length).toBeGreaterThanOrEqual(3);
  render(null, place);
  const before = asked.length;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(asked.length).toBe(before);
});
