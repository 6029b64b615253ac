/** The run inside a report: base64 of gzip of JSON, in the page itself. */

import type { Report } from "../messages.ts";

/** Reads what `loads.report.html` wrote; rejects when it is damaged. */
export async function decodeReport(text: string): Promise<Report> {
  const packed = Uint8Array.from(atob(text.trim()), (char) => char.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(unpacked).text()) as Report;
}
