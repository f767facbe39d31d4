// How often an admin may start something for an organization, counted by all facade processes together: in Redis, or in
// Postgres. Where the count can't be had, nothing is started: a limit that gives way when it is pressed is none.
import { createHash } from "node:crypto";
import type { Pool } from "pg";
import { RateLimiterPostgres, RateLimiterRedis, RateLimiterRes, type RateLimiterAbstract } from "rate-limiter-flexible";
import { BackupError } from "../domain/errors.ts";

export type LimitName = "backup" | "restore" | "trigger";

const hourSeconds = 3_600;

export const hourlyLimits: Readonly<Record<LimitName, number>> = { backup: 5, restore: 2, trigger: 3 };

export interface Allowance {
  readonly limit: number;
  readonly remaining: number;
  readonly resetSeconds: number;
}

export class RateLimitedError extends BackupError {
  readonly allowance: Allowance;

  constructor(name: LimitName, allowance: Allowance) {
    super(
      "RateLimited",
      `At most ${allowance.limit} requests of this kind (${name}) an hour for each admin and organization; there is more in ${allowance.resetSeconds} s.`,
    );
    this.allowance = allowance;
  }
}

export interface RateLimits {
  /** Uses one. @throws RateLimited, RateLimiterUnavailable */
  use(name: LimitName, organizationId: string, subject: string): Promise<Allowance>;
}

export type RateLimitStore =
  | { readonly kind: "postgres"; readonly pool: Pool }
  /** A client of the package `redis`. */
  | { readonly kind: "redis"; readonly client: unknown };

export function createRateLimits(
  store: RateLimitStore,
  limits: Readonly<Record<LimitName, number>> = hourlyLimits,
): RateLimits {
  const limiterOf = (name: LimitName): RateLimiterAbstract => {
    const common = { keyPrefix: `wedsync-${name}`, points: limits[name], duration: hourSeconds };
    return store.kind === "redis"
      ? // Without useRedisPackage every call fails.
        new RateLimiterRedis({ ...common, storeClient: store.client, useRedisPackage: true })
      : new RateLimiterPostgres({
          ...common,
          storeClient: store.pool,
          storeType: "pool",
          schemaName: "backup",
          tableName: "rate_limits",
          tableCreated: true,
          clearExpiredByTimeout: false,
        });
  };
  const limiters = { backup: limiterOf("backup"), restore: limiterOf("restore"), trigger: limiterOf("trigger") };
  return {
    async use(name, organizationId, subject) {
      const allowanceOf = (result: RateLimiterRes): Allowance => ({
        limit: limits[name],
        remaining: Math.max(0, result.remainingPoints),
        resetSeconds: Math.max(1, Math.ceil(result.msBeforeNext / 1000)),
      });
      try {
        return allowanceOf(await limiters[name].consume(keyOf(organizationId, subject)));
      } catch (error) {
        if (error instanceof RateLimiterRes) throw new RateLimitedError(name, allowanceOf(error));
        throw new BackupError(
          "RateLimiterUnavailable",
          "The rate limiter does not answer, so nothing is started; try again later.",
          {},
          { cause: error },
        );
      }
    },
  };
}

/** No two pairs have the same key; the column holds 255 characters. */
function keyOf(organizationId: string, subject: string): string {
  return createHash("sha256")
    .update(JSON.stringify([organizationId, subject]))
    .digest("hex");
}
