import type { ComponentChildren } from "preact";

export interface EmptyProps {
  title: string;
  /** What to do about it. */
  children?: ComponentChildren;
}

/** Nothing is here: why, and what to do. */
export function Empty({ title, children }: EmptyProps) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}
