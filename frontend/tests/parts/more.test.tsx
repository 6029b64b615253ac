import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Table } from "../../src/parts/table.tsx";

interface Row {
  id: number;
  name: string;
}

const rows: Row[] = [{ id: 1, name: "alpha" }, { id: 2, name: "beta" }];
const columns = [
  { key: "name", head: "Agent", value: (row: Row) => row.name },
  { key: "cores", head: "Cores", width: 90, value: (row: Row) => row.id * 2 },
  { key: "host", head: "Host", width: 150, value: (row: Row) => `${row.name}.example`, render: (row: Row) => <b>{row.name}.example</b> },
];

let place: HTMLElement;

beforeEach(() => {
  place = document.createElement("main");
  document.body.append(place);
});

afterEach(() => {
  vi.restoreAllMocks();
  render(null, place);
  place.remove();
});

function show(width_px: number, own = false): void {
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(width_px);
  const opens = own ? { onOpen: () => undefined, detail: () => <p>Its own</p> } : {};
  act(() => render(<Table<Row> caption="Agents" rows={rows} columns={columns} id={(row) => row.id} sort={null} empty="none" {...opens} />, place));
}

const buttons = (): HTMLButtonElement[] => [...place.querySelectorAll<HTMLButtonElement>("button[aria-label=More]")];
const rest = (): string => place.querySelector("dl")?.textContent ?? "";

test("where all columns have room, rows have nothing more to show", () => {
  show(800);
  expect(buttons()).toHaveLength(0);
});

test("a narrow table shows the rest of a row below it, one at a time", () => {
  show(260);
  expect([...place.querySelectorAll("th")].map((head) => head.textContent)).toEqual(["Agent", "Cores", ""]);
  expect(rest()).toBe("");
  act(() => buttons()[0]?.click());
  expect(rest()).toBe("Hostalpha.example");
  act(() => buttons()[1]?.click());
  expect(rest()).toBe("Hostbeta.example");
  expect(buttons().map((button) => button.getAttribute("aria-expanded"))).toEqual(["false", "true"]);
  act(() => buttons()[1]?.click());
  expect(rest()).toBe("");
});

test("rows that open to something of their own stay as they are", () => {
  show(260, true);
  expect(buttons()).toHaveLength(0);
});
