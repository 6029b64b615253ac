import type { ComponentChildren } from "preact";

import type { Tone } from "./badge.tsx";

const SIGNS: Record<Tone, string> = { plain: "i", good: "✓", bad: "✕", warn: "!", busy: "i", off: "–" };

export interface NoticeProps {
  tone: Tone;
  title: ComponentChildren;
  children?: ComponentChildren;
}

/** Something that has to be seen before the rest. It does not speak up by itself: put it in a live region if it must. */
export function Notice({ tone, title, children }: NoticeProps) {
  return (
    <div class={`notice tone-${tone}`}>
      <span class="notice-sign" aria-hidden="true">
        {SIGNS[tone]}
      </span>
      <div class="notice-body">
        <p class="notice-title">{title}</p>
        {children}
      </div>
    </div>
  );
}
