import { Notice } from "../../parts/notice.tsx";
import { useTopics } from "../../store/hooks.ts";
import { useApp } from "../context.ts";

/** Whether what is shown is old, for the server does not tell anything. */
export function useStale(): boolean {
  const { live } = useApp();
  useTopics(live, "state");
  return live.state === "lost";
}

/** Says that the connection is gone. */
export function LinkNotice() {
  const { live } = useApp();
  if (!useStale()) return null;
  return (
    <div role="status">
      <Notice tone="warn" title="The connection is lost">
        <p>
          What stands here is old; the run itself is not touched by this. This page comes back by itself.{" "}
          <button type="button" class="button-link" onClick={() => live.hurry()}>
            Try now
          </button>
        </p>
      </Notice>
    </div>
  );
}
