import type { ComponentChildren } from "preact";

/** What a colour says; each comes with a sign of its own, so that it is told without colour, too. */
export type Tone = "plain" | "good" | "bad" | "warn" | "busy" | "off";

const SIGNS: Record<Tone, string> = { plain: "", good: "✓", bad: "✕", warn: "!", busy: "", off: "–" };

export interface BadgeProps {
  tone: Tone;
  children: ComponentChildren;
  title?: string;
}

/** A word on a coloured ground, with the sign of its tone. */
export function Badge({ tone, children, title }: BadgeProps) {
  return (
    <span class={`badge tone-${tone}`} title={title}>
      <span class="badge-sign" aria-hidden="true">
        {SIGNS[tone]}
      </span>
      {children}
    </span>
  );
}
