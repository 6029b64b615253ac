import type { ComponentChildren } from "preact";

import { count } from "../../format.ts";

export interface SectionProps {
  /** Of the address, for links within the page. */
  id: string;
  title: string;
  /** How many are inside. */
  number?: number;
  /** A sentence that says what is shown. */
  lead?: ComponentChildren;
  tools?: ComponentChildren;
  children: ComponentChildren;
}

/** A part of a page, with its heading. */
export function Section({ id, title, number, lead, tools, children }: SectionProps) {
  return (
    <section class="section" id={id} aria-labelledby={`${id}-title`}>
      <div class="section-head">
        <h2 id={`${id}-title`}>
          {title}
          {number !== undefined && <span class="section-count">{count(number)}</span>}
        </h2>
        {lead !== undefined && <p class="section-lead">{lead}</p>}
        {tools}
      </div>
      {children}
    </section>
  );
}

/** Terms and what they are, in as many columns as there is room for; in two, if they are `wide`. */
export function Facts({ facts, wide = false }: { facts: readonly (readonly [string, ComponentChildren])[]; wide?: boolean }) {
  return (
    <dl class={wide ? "facts is-wide" : "facts"}>
      {facts.map(([name, value]) => (
        <div class="fact" key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Key and value of each tag or label. */
export function Tags({ tags }: { tags: Readonly<Record<string, string>> }) {
  const entries = Object.entries(tags);
  if (entries.length === 0) return <span class="faint">none</span>;
  return (
    <ul class="tags">
      {entries.map(([key, value]) => (
        <li class="tag" key={key}>
          <span class="tag-key">{key}</span>
          {value}
        </li>
      ))}
    </ul>
  );
}

/** A part of one, as a bar with its figure. */
export function Meter({ share, text, label }: { share: number | null; text: string; label: string }) {
  if (share === null) return <span class="faint">-</span>;
  const part = Math.min(Math.max(share, 0), 1);
  const tone = part >= 0.9 ? "bad" : part >= 0.75 ? "warn" : "plain";
  return (
    <span class={`meter tone-${tone}`} role="img" aria-label={`${label}: ${text}`}>
      <span class="meter-bar">
        <span class="meter-fill" style={{ width: `${part * 100}%` }} />
      </span>
      <span class="meter-text">{text}</span>
    </span>
  );
}
