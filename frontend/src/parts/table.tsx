// A table that is sorted, searched and opened, and that draws only the rows that are in the picture.

import type { ComponentChildren } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";

import { type Column, type Id, type Sort, isNumeric } from "./columns.ts";
import { More, besideMore, moreColumn } from "./more.tsx";
import { usePrinting } from "./printing.ts";
import { type Heights, type Window, fitting, found, sorted, stretching, windowOf } from "./rows.ts";
import { ROW_PX, moveByKey, useFocus, useScroll } from "./scrolling.ts";
import { Head, Row, Spacer } from "./tablerows.tsx";

export type { Column, Sort } from "./columns.ts";

export interface TableProps<R> {
  caption: string;
  rows: readonly R[];
  columns: readonly Column<R>[];
  id: (row: R) => Id;
  /** How it is sorted at first; null: as the rows come. */
  sort: Sort | null;
  /** What is searched of a row; left out: no search box. */
  search?: (row: R) => string;
  openId?: Id | null;
  /** A row was opened, or with null the open one closed. */
  onOpen?: (id: Id | null) => void;
  /** What stands below the open row. */
  detail?: (row: R) => ComponentChildren;
  /** Shown instead when there is no row. */
  empty: ComponentChildren;
  /** The most that rows take in pixels before they scroll; an open row's detail comes on top. */
  height?: number;
  /** Beside the search box. */
  tools?: ComponentChildren;
}

/** From so many rows on only those in the picture are drawn. */
const MANY = 100;
/** So many go on paper, in columns that fit there. */
const PRINTED = 100;
const PAPER_PX = 690;

export function Table<R>(props: TableProps<R>) {
  const { rows, columns, id, search, openId = null, height = 520 } = props;
  const [sort, setSort] = useState(props.sort);
  const [query, setQuery] = useState("");
  const by = columns.find((column) => column.key === sort?.key);
  const shown = useMemo(() => {
    const kept = search === undefined ? rows : found(rows, search, query);
    return sort === null || by === undefined ? kept : sorted(kept, by.value, sort.down);
  }, [rows, query, sort, by]);
  if (rows.length === 0) return <>{props.empty}</>;
  return (
    <div class="table">
      {(search !== undefined || props.tools !== undefined) && (
        <div class="table-tools">
          {search !== undefined && (
            <Search caption={props.caption} query={query} onQuery={setQuery} found={shown.length} of={rows.length} />
          )}
          {props.tools}
        </div>
      )}
      <Body
        {...props}
        {...{ shown, sort, openId, height }}
        open={openId === null ? -1 : shown.findIndex((row) => id(row) === openId)}
        onSort={(column) => setSort(turned(column, sort, rows))}
      />
    </div>
  );
}

interface SearchProps {
  caption: string;
  query: string;
  onQuery: (query: string) => void;
  found: number;
  of: number;
}

function Search({ caption, query, onQuery, found: few, of }: SearchProps) {
  return (
    <>
      <input
        type="search"
        placeholder="Search"
        aria-label={`Search ${caption}`}
        value={query}
        onInput={(event) => onQuery(event.currentTarget.value)}
      />
      <span class="table-count" role="status">
        {few === of ? `${of}` : `${few} of ${of}`}
      </span>
    </>
  );
}

interface BodyProps<R> extends TableProps<R> {
  shown: readonly R[];
  sort: Sort | null;
  openId: Id | null;
  open: number;
  height: number;
  onSort: (column: Column<R>) => void;
}

function Body<R>(props: BodyProps<R>) {
  const { shown, id, height, onOpen } = props;
  const scroll = useRef<HTMLDivElement>(null);
  const isPrinted = usePrinting();
  const { width_px, top_px } = useScroll(scroll);
  const [detail_px, setDetail] = useState(0);
  const [active, setActive] = useState<Id | null>(null);
  const rest = useRest(props, isPrinted ? PAPER_PX : width_px || 900, !isPrinted);
  const { columns } = rest;
  const open = rest.openId === null ? props.open : shown.findIndex((row) => id(row) === rest.openId);
  const heights: Heights = { count: shown.length, row_px: ROW_PX, open, detail_px: open < 0 ? 0 : detail_px };
  const focusRow = useFocus(scroll, heights, shown, id, setActive);
  const part = partOf(heights, top_px - ROW_PX, height, isPrinted);
  const drawn = shown.slice(part.first, part.end);
  const tabbed = drawn.find((row) => id(row) === active) ?? drawn[0];
  return (
    <div
      class="table-scroll"
      ref={scroll}
      style={{ "--row": `${ROW_PX}px`, maxHeight: isPrinted ? "none" : `${height + heights.detail_px}px` }}
      {...(onOpen === undefined && { tabIndex: 0, role: "region", "aria-label": props.caption })}
      onKeyDown={(event) => onOpen !== undefined && moveByKey(event, shown.length, height, focusRow)}
    >
      <table aria-rowcount={shown.length + 1}>
        <caption class="visually-hidden">{props.caption}</caption>
        <Widths columns={columns} />
        <Head columns={columns} rows={props.rows} sort={props.sort} onSort={isPrinted ? null : props.onSort} />
        <tbody>
          <Spacer height_px={part.above_px} span={columns.length} />
          {drawn.map((row, at) => (
            <Row
              key={id(row)}
              {...{ row, columns, rows: props.rows, id: id(row), onOpen }}
              index={part.first + at}
              isOpen={part.first + at === open}
              isTabbed={row === tabbed}
              detail={rest.detail}
              onDetail={setDetail}
              onActive={setActive}
            />
          ))}
          <Spacer height_px={part.below_px} span={columns.length} />
        </tbody>
      </table>
      {shown.length === 0 && <p class="table-none">Nothing matches the search.</p>}
      {isPrinted && shown.length > PRINTED && <p class="table-none">and {shown.length - PRINTED} more</p>}
    </div>
  );
}

interface Rest<R> {
  /** Those that have room. */
  columns: Column<R>[];
  detail: ((row: R) => ComponentChildren) | undefined;
  /** The row of which the rest is shown; null: none, or rows open to something of their own. */
  openId: Id | null;
}

/** Which columns have room, and a way to see the others where rows do not open to something of their own. */
function useRest<R>({ columns, id, onOpen, detail }: BodyProps<R>, width_px: number, canUnfold: boolean): Rest<R> {
  const [openId, setOpenId] = useState<Id | null>(null);
  const [shown, left] = useMemo(() => {
    const all = fitting(columns, width_px);
    const isCut = canUnfold && onOpen === undefined && all.length < columns.length;
    const places = isCut ? fitting(columns, besideMore(width_px)) : all;
    const shown = places.map((place) => columns[place] as Column<R>);
    return [shown, isCut ? columns.filter((column) => !shown.includes(column)) : []];
  }, [columns, width_px, canUnfold, onOpen === undefined]);
  if (left.length === 0) return { columns: shown, detail, openId: null };
  return { columns: [...shown, moreColumn(id, openId, setOpenId)], detail: (row) => <More columns={left} row={row} />, openId };
}

/** What a press on a head leads to: numbers fall at first, names rise. */
function turned<R>(column: Column<R>, sort: Sort | null, rows: readonly R[]): Sort {
  if (sort?.key === column.key) return { key: column.key, down: !sort.down };
  return { key: column.key, down: isNumeric(column, rows) };
}

function Widths<R>({ columns }: { columns: readonly Column<R>[] }) {
  return (
    <colgroup>
      {columns.map((column, place) => (
        <col key={column.key} style={{ width: place === stretching(columns) ? "auto" : `${column.width}px` }} />
      ))}
    </colgroup>
  );
}

/** Which rows are drawn: on paper the first ones, of few all, else those in the picture. */
function partOf(heights: Heights, top_px: number, height: number, isPrinted: boolean): Window {
  const { count } = heights;
  if (!isPrinted && count > MANY) return windowOf(heights, top_px, height + heights.detail_px);
  return { first: 0, end: isPrinted ? Math.min(count, PRINTED) : count, above_px: 0, below_px: 0 };
}
