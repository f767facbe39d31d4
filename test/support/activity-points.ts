// Named points around activities where a test can make a run wait, fail or go on: "before" an activity has done anything,
// "after" it did everything and only its answer is missing.
import { ApplicationFailure, Context } from "@temporalio/activity";
import type { ActivityInterceptorsFactory } from "@temporalio/worker";
import type { ErrorCode } from "../../src/domain/errors.ts";

export interface ActivityPoint {
  readonly organizationId: string;
  readonly activity: string;
  readonly when: "before" | "after";
}

/** `once`: counts the first time only; else every time. */
export interface FailingPoint extends ActivityPoint {
  readonly code: ErrorCode;
  readonly once?: boolean;
}

export interface Points {
  readonly pauses?: readonly ActivityPoint[];
  readonly failures?: readonly FailingPoint[];
  readonly onReached?: (point: ActivityPoint) => void;
  /** A paused activity goes on when this settles; without it, never (its worker gets killed). A function: asked at each. */
  readonly released?: Promise<void> | (() => Promise<void>);
}

export function activityPoints({
  pauses = [],
  failures = [],
  onReached,
  released,
}: Points): ActivityInterceptorsFactory {
  const reached = new Set<ActivityPoint>();
  const pass = async (context: Context, organizationId: string, when: "before" | "after"): Promise<void> => {
    const isHere = (point: ActivityPoint): boolean =>
      point.organizationId === organizationId && point.activity === context.info.activityType && point.when === when;
    const pause = pauses.find((point) => isHere(point) && !reached.has(point));
    if (pause !== undefined) {
      reached.add(pause);
      onReached?.(pause);
      const beating = setInterval(() => context.info.isLocal || context.heartbeat({ paused: true }), 1_000);
      try {
        const goOn = typeof released === "function" ? released() : (released ?? new Promise(() => {}));
        await Promise.race([goOn, context.cancelled]);
      } finally {
        clearInterval(beating);
      }
    }
    const failure = failures.find((point) => isHere(point) && !(point.once === true && reached.has(point)));
    if (failure === undefined) return;
    reached.add(failure);
    throw ApplicationFailure.create({
      type: failure.code,
      message: `planned fault ${when} ${failure.activity}`,
      nonRetryable: failure.once !== true,
    });
  };
  return (context) => ({
    inbound: {
      async execute(input, next) {
        const organizationId = organizationOf(input.args[0]);
        await pass(context, organizationId, "before");
        const result = await next(input);
        await pass(context, organizationId, "after");
        return result;
      },
    },
  });
}

function organizationOf(argument: unknown): string {
  const { organizationId, key, outcome, order } = (argument ?? {}) as {
    organizationId?: string;
    order?: { organizationId: string };
    key?: { organizationId: string };
    outcome?: { organizationId: string };
  };
  return organizationId ?? key?.organizationId ?? outcome?.organizationId ?? order?.organizationId ?? "";
}
