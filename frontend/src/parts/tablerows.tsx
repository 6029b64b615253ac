// The head and the rows of a table.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

import { type Column, type Id, type Sort, sideOf } from "./columns.ts";

interface HeadProps<R> {
  columns: readonly Column<R>[];
  rows: readonly R[];
  sort: Sort | null;
  /** Null: it can't be sorted, as on paper, where buttons are not drawn on later pages. */
  onSort: ((column: Column<R>) => void) | null;
}

export function Head<R>({ columns, rows, sort, onSort }: HeadProps<R>) {
  return (
    <thead>
      <tr aria-rowindex={1}>
        {columns.map((column) => {
          const isBy = sort?.key === column.key;
          const arrow = isBy ? (sort.down ? "▼" : "▲") : "";
          return (
            <th
              key={column.key}
              scope="col"
              class={sideOf(column, rows)}
              title={column.title}
              {...(isBy && { "aria-sort": sort.down ? "descending" : "ascending" })}
            >
              {column.fixed || onSort === null ? (
                <span class="table-head">{column.head}</span>
              ) : (
                <button type="button" class="table-sort" onClick={() => onSort(column)}>
                  <span class="table-head">{column.head}</span>
                  <span class="table-arrow" aria-hidden="true">
                    {arrow}
                  </span>
                </button>
              )}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

export interface RowProps<R> {
  row: R;
  rows: readonly R[];
  columns: readonly Column<R>[];
  id: Id;
  index: number;
  isOpen: boolean;
  isTabbed: boolean;
  onOpen: ((id: Id | null) => void) | undefined;
  detail: ((row: R) => ComponentChildren) | undefined;
  onDetail: (height_px: number) => void;
  onActive: (id: Id) => void;
}

export function Row<R>(props: RowProps<R>) {
  const { row, columns, id, isOpen, onOpen, detail } = props;
  const hasDetail = isOpen && detail !== undefined;
  const toggle = () => onOpen?.(isOpen ? null : id);
  return (
    <>
      <tr
        class={`table-row${onOpen ? " can-open" : ""}${isOpen ? " is-open" : ""}`}
        aria-rowindex={props.index + 2}
        onClick={(event) => {
          if (!isOwn(event.target as Element)) toggle();
        }}
      >
        {columns.map((column, place) => {
          const content = column.render ? column.render(row) : column.value(row);
          const hint = typeof column.value(row) === "string" ? String(column.value(row)) : undefined;
          return (
            <td key={column.key} class={sideOf(column, props.rows)} title={hint}>
              {place === 0 && onOpen ? (
                <button
                  type="button"
                  class="table-open"
                  data-index={props.index}
                  tabIndex={props.isTabbed ? 0 : -1}
                  {...(detail && { "aria-expanded": isOpen })}
                  onFocus={() => props.onActive(id)}
                  onClick={toggle}
                >
                  {detail && <span class="table-chevron" aria-hidden="true" />}
                  <span class="table-open-text">{content}</span>
                </button>
              ) : (
                content
              )}
            </td>
          );
        })}
      </tr>
      {hasDetail && (
        <Detail span={columns.length} onHeight={props.onDetail}>
          {detail(row)}
        </Detail>
      )}
    </>
  );
}

interface DetailProps {
  span: number;
  onHeight: (height_px: number) => void;
  children: ComponentChildren;
}

function Detail({ span, onHeight, children }: DetailProps) {
  const box = useRef<HTMLTableRowElement>(null);
  useLayoutEffect(() => {
    const row = box.current;
    if (row === null) return undefined;
    const tell = () => onHeight(row.offsetHeight);
    tell();
    const resizes = new ResizeObserver(tell);
    resizes.observe(row);
    return () => resizes.disconnect();
  }, []);
  return (
    <tr ref={box}>
      <td class="table-detail" colSpan={span}>
        <div>{children}</div>
      </td>
    </tr>
  );
}

/** The height of rows that are not drawn. */
export function Spacer({ height_px, span }: { height_px: number; span: number }) {
  if (height_px <= 0) return null;
  return (
    <tr aria-hidden="true">
      <td class="table-spacer" colSpan={span} style={{ height: `${height_px}px` }} />
    </tr>
  );
}

/** Whether a press was meant for something in the row: a link, a box, a button. */
function isOwn(target: Element): boolean {
  return target.closest("a, button, input, select, label") !== null;
}
