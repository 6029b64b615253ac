// What a narrow table has no room for: a button at the end of each row shows the rest of it.

import type { Column, Id } from "./columns.ts";

const MORE_PX = 40;

/** The column of those buttons. */
export function moreColumn<R>(id: (row: R) => Id, open: Id | null, turn: (id: Id | null) => void): Column<R> {
  return {
    key: "more",
    head: "",
    title: "The rest of each row",
    width: MORE_PX,
    fixed: true,
    value: () => null,
    render: (row) => {
      const isOpen = id(row) === open;
      return (
        <button type="button" class="table-more" aria-label="More" aria-expanded={isOpen} onClick={() => turn(isOpen ? null : id(row))}>
          <span class="table-chevron" aria-hidden="true" />
        </button>
      );
    },
  };
}

/** The width that is left beside them. */
export function besideMore(width_px: number): number {
  return Math.max(width_px - MORE_PX, 0);
}

/** The columns that have no room, below their row. */
export function More<R>({ columns, row }: { columns: readonly Column<R>[]; row: R }) {
  return (
    <dl class="table-rest">
      {columns.map((column) => (
        <div key={column.key}>
          <dt title={column.title}>{column.head}</dt>
          <dd>{column.render ? column.render(row) : column.value(row)}</dd>
        </div>
      ))}
    </dl>
  );
}
