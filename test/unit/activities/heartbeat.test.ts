import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { MockActivityEnvironment } from "@temporalio/testing";
import { beatWhile } from "../../../activities/heartbeat.ts";

const beats: unknown[] = [];
let environment: MockActivityEnvironment;

beforeEach(() => {
  jest.useFakeTimers();
  beats.length = 0;
  environment = new MockActivityEnvironment();
  environment.on("heartbeat", (details) => void beats.push(details));
});
afterEach(() => void jest.useRealTimers());

test("an activity that ends within its first second beats never", async () => {
  const answer = environment.run(() =>
    beatWhile(
      () => ({ bytes: 1 }),
      () => new Promise((go) => setTimeout(go, 900, "done")),
    ),
  );
  await jest.advanceTimersByTimeAsync(5_000);
  expect(await answer).toBe("done");
  expect(beats).toEqual([]);
});

test("one that goes on beats each second with what it has done by then, and no longer than it works", async () => {
  let bytes = 0;
  const work = async (): Promise<void> => {
    for (bytes = 1; bytes <= 5; bytes++) await new Promise((go) => setTimeout(go, 700));
    throw new Error("failed");
  };
  const answer = environment.run(() => beatWhile(() => ({ bytes }), work)).catch((error: Error) => error.message);
  await jest.advanceTimersByTimeAsync(20_000);
  expect(await answer).toBe("failed");
  expect(beats).toEqual([{ bytes: 2 }, { bytes: 3 }, { bytes: 5 }]);
});
