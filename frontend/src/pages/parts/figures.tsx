import { count, percent, rate, time } from "../../format.ts";
import type { Head, Spread, Totals } from "../../messages.ts";
import { SPREAD } from "../../messages.ts";
import { Tile, type TileProps, Tiles } from "../../parts/tile.tsx";
import { useTopics } from "../../store/hooks.ts";
import type { RunModel } from "../../store/model.ts";
import { bytes } from "../../format.ts";
import { plural } from "./words.ts";

/** A time with its unit apart, as tiles have it. */
function timed(value_us: number | null): Pick<TileProps, "value" | "unit"> {
  const [value = "-", unit] = time(value_us).split(" ");
  return { value, unit };
}

/** The run in a row of figures. */
export function RunTiles({ model }: { model: RunModel }) {
  useTopics(model, "totals", "stage", "head");
  const { totals, head } = model;
  if (totals === null) return null;
  return (
    <Tiles>
      {tilesOf(totals, head, model.over).map((tile) => (
        <Tile key={tile.label} {...tile} />
      ))}
    </Tiles>
  );
}

function tilesOf(totals: Totals, head: Head | null, over: boolean): TileProps[] {
  const failedShare = totals.hits ? totals.failed / totals.hits : null;
  const at = (spread: Spread, name: "p50" | "p95" | "p99"): number | null => spread[SPREAD[name]];
  const tiles: TileProps[] = [
    over
      ? { label: "Users at most", value: count(head?.users ?? totals.users) }
      : { label: "Users", value: count(totals.users), note: head === null ? undefined : `of ${count(head.users)}` },
    over
      ? { label: "Requests/s", value: rate(totals.rps), note: "on average" }
      : { label: "Requests/s", value: rate(totals.rps_now), note: `${rate(totals.rps)} on average` },
    { label: "Requests", value: count(totals.hits), note: sentNote(totals) },
    failedTile(totals, failedShare, over),
    { label: "Response p50", ...timed(at(totals.response, "p50")), note: serviceNote(totals, head, "p50") },
    { label: "Response p95", ...timed(at(totals.response, "p95")), note: serviceNote(totals, head, "p95") },
    { label: "Response p99", ...timed(at(totals.response, "p99")), note: serviceNote(totals, head, "p99") },
    iterationTile(totals, over),
    { label: "Received", value: bytes(totals.bytes_received), note: `${bytes(totals.bytes_sent)} sent` },
  ];
  if (head?.has_starts && totals.lateness !== null)
    tiles.push({ label: "Lateness p99", ...timed(at(totals.lateness, "p99")), note: "start of iterations" });
  if (totals.unstarted > 0)
    tiles.push({ label: "Unstarted", value: count(totals.unstarted), note: "planned iterations", tone: "warn" });
  if (totals.lost + totals.lost_iterations > 0) tiles.push(lostTile(totals));
  return tiles;
}

function sentNote(totals: Totals): string | undefined {
  return totals.unsent > 0 ? `${count(totals.unsent)} never sent` : undefined;
}

function serviceNote(totals: Totals, head: Head | null, name: "p50" | "p95" | "p99"): string | undefined {
  return head?.has_starts ? `service ${time(totals.service[SPREAD[name]])}` : undefined;
}

function failedTile(totals: Totals, share: number | null, over: boolean): TileProps {
  const now = over ? "" : ` · ${rate(totals.failed_now)}/s now`;
  return {
    label: "Failed requests",
    value: share === null ? "-" : percent(share),
    note: `${count(totals.failed)}${now}`,
    tone: totals.failed > 0 ? "bad" : "plain",
  };
}

function iterationTile(totals: Totals, over: boolean): TileProps {
  const wrong = [
    totals.failures > 0 ? `${count(totals.failures)} failed` : "",
    totals.errors > 0 ? `${count(totals.errors)} in error` : "",
  ].filter(Boolean);
  return {
    label: "Iterations",
    value: count(totals.ended),
    note: wrong.join(", ") || (over ? "all good" : `${rate(totals.started_now)} started/s`),
    tone: wrong.length > 0 ? "bad" : "plain",
  };
}

function lostTile(totals: Totals): TileProps {
  const iterations = totals.lost_iterations > 0 ? plural(totals.lost_iterations, "iteration") : "";
  const requests = totals.lost > 0 ? plural(totals.lost, "request") : "";
  const [first = "", ...rest] = [iterations, requests].filter(Boolean);
  const [value = "", unit] = first.split(" ");
  return { label: "Lost", value, unit, note: rest[0] ?? "outcome unknown", tone: "bad" };
}
