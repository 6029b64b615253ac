import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test } from "vitest";

import { Table } from "../../src/parts/table.tsx";

interface Row {
  id: number;
  name: string;
  hits: number | null;
}

const few: Row[] = [
  { id: 1, name: "GET /b", hits: 5 },
  { id: 2, name: "GET /a", hits: null },
  { id: 3, name: "POST /a", hits: 40 },
];

let place: HTMLElement;
let opened: (string | number | null)[];

beforeEach(() => {
  place = document.createElement("main");
  document.body.append(place);
  opened = [];
});

afterEach(() => {
  render(null, place);
  place.remove();
});

function show(rows: readonly Row[], openId: number | null = null): void {
  act(() =>
    render(
      <Table<Row>
        caption="Endpoints"
        rows={rows}
        columns={[
          { key: "name", head: "Name", value: (row) => row.name },
          { key: "hits", head: "Hits", value: (row) => row.hits, width: 80 },
        ]}
        id={(row) => row.id}
        sort={{ key: "hits", down: true }}
        search={(row) => row.name}
        openId={openId}
        onOpen={(id) => opened.push(id)}
        detail={(row) => <p>All of {row.name}</p>}
        empty={<p>Nothing</p>}
      />,
      place,
    ),
  );
}

const names = () => [...place.querySelectorAll(".table-open-text")].map((cell) => cell.textContent);
const button = (index: number) => place.querySelectorAll<HTMLElement>(".table-open")[index] as HTMLElement;
const head = (index: number) => place.querySelectorAll("thead th")[index] as HTMLElement;

test("rows are sorted by the head that is pressed, the other way when it is pressed again", () => {
  show(few);
  expect(names()).toEqual(["POST /a", "GET /b", "GET /a"]);
  expect(head(1).getAttribute("aria-sort")).toBe("descending");
  act(() => head(0).querySelector("button")?.click());
  expect(names()).toEqual(["GET /a", "GET /b", "POST /a"]);
  expect(head(0).getAttribute("aria-sort")).toBe("ascending");
  expect(head(1).hasAttribute("aria-sort")).toBe(false);
  act(() => head(0).querySelector("button")?.click());
  expect(names()).toEqual(["POST /a", "GET /b", "GET /a"]);
});

test("a search leaves what it finds, and says how many", () => {
  show(few);
  const box = place.querySelector("input") as HTMLInputElement;
  act(() => {
    box.value = "get";
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
  expect(names()).toEqual(["GET /b", "GET /a"]);
  expect(place.querySelector("[role=status]")?.textContent).toBe("2 of 3");
});

test("a row opens once when it is pressed, wherever, and closes again", () => {
  show(few);
  act(() => button(0).click());
  act(() => place.querySelectorAll<HTMLElement>("tbody td")[1]?.click());
  expect(opened).toEqual([3, 3]);
  show(few, 3);
  expect(button(0).getAttribute("aria-expanded")).toBe("true");
  expect(place.querySelector(".table-detail")?.textContent).toBe("All of POST /a");
  act(() => button(0).click());
  expect(opened).toEqual([3, 3, null]);
});

test("one row is a stop for Tab, and arrows go to the others", () => {
  show(few);
  expect([0, 1, 2].map((index) => button(index).tabIndex)).toEqual([0, -1, -1]);
  act(() => button(0).focus());
  act(() => {
    button(0).dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }));
  });
  expect([0, 1, 2].map((index) => button(index).tabIndex)).toEqual([-1, 0, -1]);
  expect(document.activeElement).toBe(button(1));
});

test("of 2,000 rows only those in the picture are drawn, and all are counted", () => {
  show(Array.from({ length: 2_000 }, (_, id) => ({ id, name: `GET /${id}`, hits: id })));
  expect(names().length).toBeLessThan(60);
  expect(place.querySelector("table")?.getAttribute("aria-rowcount")).toBe("2001");
});

test("no rows are said to be none", () => {
  show([]);
  expect(place.textContent).toBe("Nothing");
});
