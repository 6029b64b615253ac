import { Notice } from "../../parts/notice.tsx";
import { useTopics } from "../../store/hooks.ts";
import { useApp } from "../context.ts";

/** Whether what is shown is old, for the server does not tell anything. */
export function useStale(): boolean {
  const { live } = useApp();
  useTopics(live, "state");
  return live.state === "lost";
}

/** Says that the connection is gone. With `over`, what stands here is final, and the command that served it may end. */
export function LinkNotice({ over = false }: { over?: boolean }) {
  const { live, me } = useApp();
  if (!useStale()) return null;
  if (me.local && over)
    return (
      <div role="status">
        <Notice tone="plain" title="The command has ended">
          <p>What stands here is the whole run, and final. It goes when this page is closed or loaded again.</p>
        </Notice>
      </div>
    );
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
