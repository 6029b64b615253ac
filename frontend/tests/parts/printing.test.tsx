import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test } from "vitest";

import { isPrinting, onPrinting, usePrinting } from "../../src/parts/printing.ts";
import { Table } from "../../src/parts/table.tsx";
import { chooseTheme } from "../../src/parts/theme.ts";

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

function Told() {
  return <p>{usePrinting() ? "paper" : "screen"}</p>;
}

test("what is drawn for paper stands when the browser's event ends, and is gone after it", () => {
  act(() => render(<Told />, place));
  expect(place.textContent).toBe("screen");
  dispatchEvent(new Event("beforeprint"));
  expect(place.textContent).toBe("paper");
  dispatchEvent(new Event("afterprint"));
  expect(place.textContent).toBe("screen");
});

test("paper is light, whatever was chosen", () => {
  chooseTheme("dark");
  const themes = [document.documentElement.dataset["theme"]];
  const end = onPrinting(() => themes.push(document.documentElement.dataset["theme"]));
  dispatchEvent(new Event("beforeprint"));
  dispatchEvent(new Event("beforeprint"));
  dispatchEvent(new Event("afterprint"));
  end();
  chooseTheme("auto");
  expect(themes).toEqual(["dark", "light", "dark"]);
  expect(isPrinting()).toBe(false);
});

test("of a long table a hundred rows go on paper, under a head that is not pressed", () => {
  const rows = Array.from({ length: 250 }, (_, id) => ({ id }));
  const columns = [{ key: "id", head: "Number", value: (row: { id: number }) => row.id }];
  act(() => render(<Table caption="Numbers" rows={rows} columns={columns} id={(row) => row.id} sort={null} empty="none" />, place));
  expect(place.querySelectorAll("tbody .table-row").length).toBeLessThan(100);
  expect(place.querySelector("thead button")).not.toBeNull();
  dispatchEvent(new Event("beforeprint"));
  expect(place.querySelectorAll("tbody .table-row")).toHaveLength(100);
  expect(place.querySelector("thead button")).toBeNull();
  expect(place.textContent).toContain("and 150 more");
});
