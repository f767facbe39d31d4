// Letting go of backups: whatever stops where, whoever else is at work, and whatever is taken away by somebody else, a backup
// that is listed restores; and what retention removed is told from what an attacker removed.
import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { withFaults, type Fault } from "../../../src/adapters/object-store/faulty.ts";
import { createMemoryStore, type MemoryStore } from "../../../src/adapters/object-store/memory.ts";
import type { BackupError } from "../../../src/domain/errors.ts";
import type { ObjectStore } from "../../../src/ports/object-store.ts";
import { manifestKey, releaseKey, releasesPrefix } from "../../../src/repository/names.ts";
import { graceMs, planRelease, readStoredState, sweepVault, type Sweep } from "../../../src/repository/prune-vault.ts";
import { createOrOpenRepository, openRepository } from "../../../src/repository/repository.ts";
import type { SealedManifest } from "../../../src/repository/manifest-object.ts";
import type { OrganizationVault } from "../../../src/repository/vault.ts";
import { verifyContent } from "../../../src/repository/verify-content.ts";
import { verifyIntegrity } from "../../../src/repository/verify-integrity.ts";
import { outcomeOf } from "../../support/outcome.ts";
import { firstOrganization, secondOrganization, smallKey, writeBackup } from "../../support/small-repository.ts";

const hourMs = 3_600_000;
const startMs = Date.parse("2026-01-01T00:00:00Z");

/** Each backup shares packs with the ones around it: a file stays for three backups, rows for two. */
const contentOf = (number: number) => {
  const part = (name: string, of: number): string =>
    Array.from(
      { length: 12 },
      (_, row) => `${name}${row}\t${createHash("sha256").update(`${name} ${row} ${of}`).digest("hex")}\n`,
    ).join("");
  return {
    tables: {
      "public.organizations": { keyColumnCount: 1, columns: ["id", "name"], rows: "1\tone\n" },
      "public.guests": { keyColumnCount: 1, columns: ["id", "note"], rows: part("g", Math.floor(number / 2)) },
      "public.tasks": { keyColumnCount: 1, columns: ["id", "note"], rows: part("t", number) },
    },
    files: { "photo.jpg": Buffer.from(part("photo", Math.floor(number / 3))) },
  };
};

interface Place {
  readonly store: MemoryStore;
  readonly vault: OrganizationVault;
  nowMs: number;
}

async function makePlace(backups: number): Promise<Place> {
  const place = { nowMs: startMs } as { nowMs: number; store: MemoryStore; vault: OrganizationVault };
  place.store = createMemoryStore(() => new Date(place.nowMs));
  const repository = await createOrOpenRepository(place.store, smallKey);
  place.vault = await repository.openVault(firstOrganization, { create: true });
  for (let number = 1; number <= backups; number++) {
    await writeBackup(place.vault, contentOf(number), number);
    place.nowMs += 24 * hourMs;
  }
  return place;
}

/** The same bytes in a store of their own. */
async function copyOf({ store: from, nowMs }: Place): Promise<Place> {
  const store = createMemoryStore(() => new Date(startMs));
  for (const [key, bytes] of from.objects) store.objects.set(key, bytes);
  const vault = await (await openRepository(store, smallKey)).openVault(firstOrganization);
  return { store, vault, nowMs };
}

async function release(vault: OrganizationVault, sequences: readonly number[], nowMs: number, forgetMissing = false) {
  const state = await readStoredState(vault, { forgetMissing });
  const there = state.manifests.map(({ sequence }) => sequence);
  const planned = planRelease(
    state,
    sequences.filter((sequence) => there.includes(sequence)),
    { nowMs, fencingToken: 1 },
  );
  if (planned.record !== null) await vault.releases.append(planned.record);
  return planned;
}

const sweep = (vault: OrganizationVault, nowMs: number): Promise<Sweep> =>
  sweepVault(vault, { nowMs, graceMs, assertMayGoOn: async () => {} });

/** Every listed backup reads whole; verification finds nothing wrong. @returns the listed numbers. */
async function proveAll({ store, vault }: Pick<Place, "store" | "vault">): Promise<number[]> {
  const listed = (await vault.listManifests()).map(({ sequence }) => sequence);
  for (const sequence of listed) {
    const { manifest } = await vault.readManifest(sequence);
    expect({ sequence, problems: (await verifyContent(vault, manifest)).problems }).toEqual({ sequence, problems: [] });
  }
  const { problems } = await verifyIntegrity(store, firstOrganization, vault.exportVerificationKey());
  expect(problems).toEqual([]);
  return listed;
}

const packsOf = async (vault: OrganizationVault): Promise<Set<string>> => {
  const names = new Set<string>();
  for await (const { name } of vault.listPacks()) names.add(name);
  return names;
};
const neededPacks = async (vault: OrganizationVault): Promise<Set<string>> =>
  new Set((await vault.listManifests()).flatMap(({ packs }) => packs.map(({ name }) => name)));

describe("what is let go", () => {
  test("is listed no longer at once, its manifest goes, and its packs go when the grace is over", async () => {
    const place = await makePlace(7);
    const { vault } = place;
    const before = await packsOf(vault);
    const { unneeded } = await release(vault, [2, 3, 5], place.nowMs);
    expect(unneeded.length).toBeGreaterThan(0);
    expect(await proveAll(place)).toEqual([1, 4, 6, 7]);
    expect(await vault.listSequences()).toEqual([1, 2, 3, 4, 5, 6, 7]);

    const first = await sweep(vault, place.nowMs);
    expect(first).toMatchObject({ removedManifests: 3, removedPacks: 0, quarantinedPacks: unneeded.length });
    expect(first.nextDueMs).toBe(place.nowMs + graceMs);
    expect(await vault.listSequences()).toEqual([1, 4, 6, 7]);
    expect(await packsOf(vault)).toEqual(before);

    place.nowMs += graceMs - 1;
    expect(await sweep(vault, place.nowMs)).toMatchObject({ removedPacks: 0 });
    place.nowMs += 1;
    expect(await sweep(vault, place.nowMs)).toMatchObject({
      removedPacks: unneeded.length,
      quarantinedPacks: 0,
      nextDueMs: null,
    });
    expect(await packsOf(vault)).toEqual(await neededPacks(vault));
    expect(await proveAll(place)).toEqual([1, 4, 6, 7]);

    // Later ones join the same record, and of the records one stays.
    await writeBackup(vault, contentOf(8), 8);
    await release(vault, [1, 4], place.nowMs);
    await sweep(vault, place.nowMs);
    expect(await proveAll(place)).toEqual([6, 7, 8]);
    const record = await vault.releases.read();
    expect(record?.runs.map(({ from, to, by }) => [from, to, by])).toEqual([[1, 5, "retention"]]);
    expect([...place.store.objects.keys()].filter((key) => key.includes("/releases/"))).toEqual([
      releaseKey(firstOrganization, 2),
    ]);
  });

  test("is never the newest", async () => {
    const { vault, nowMs } = await makePlace(2);
    expect(await outcomeOf(() => release(vault, [2], nowMs))).toBe("Internal");
  });

  /** A pack that nobody names, seen unneeded now. */
  async function makeOrphan() {
    const place = await makePlace(3);
    const orphan = place.vault.sealPack([]);
    await place.vault.storePack(orphan);
    await release(place.vault, [], place.nowMs);
    return { place, vault: place.vault, orphan };
  }

  test("leaves packs that nobody names alone until they are old and were seen unneeded for the grace", async () => {
    const { place, vault, orphan } = await makeOrphan();
    place.nowMs += graceMs - 1;
    await sweep(vault, place.nowMs);
    expect(await packsOf(vault)).toContain(orphan.name);
    place.nowMs += 1;
    expect(await sweep(vault, place.nowMs)).toMatchObject({ removedPacks: 1 });
    expect(await packsOf(vault)).not.toContain(orphan.name);
  });

  test("was seen unneeded long ago, but stored again since: it waits for its own grace", async () => {
    const { place, vault, orphan } = await makeOrphan();
    place.nowMs += graceMs - hourMs;
    await vault.deletePacks([orphan.name]);
    await vault.storePack(orphan);
    const againMs = place.nowMs;
    place.nowMs += hourMs;
    expect(await sweep(vault, place.nowMs)).toMatchObject({ removedPacks: 0, nextDueMs: againMs + graceMs });
    expect(await sweep(vault, againMs + graceMs)).toMatchObject({ removedPacks: 1 });
  });

  test("takes no number again, and the next backups go on where the newest stands", async () => {
    const place = await makePlace(4);
    await release(place.vault, [1, 2, 3], place.nowMs);
    await sweep(place.vault, place.nowMs);
    await writeBackup(place.vault, contentOf(5), 5);
    expect(await proveAll(place)).toEqual([4, 5]);
  });
});

/** All calls of a whole prune, one after the other, once failing before and once after, for once or for ever. */
describe("a prune that a fault stops anywhere", () => {
  const steps = async (store: ObjectStore, nowMs: number): Promise<void> => {
    const vault = await (await openRepository(store, smallKey)).openVault(firstOrganization);
    await release(vault, [2, 3, 5], nowMs);
    await sweep(vault, nowMs);
    await sweep(vault, nowMs + graceMs);
  };
  test.each(["before", "after"] as const)(
    "%s any call leaves listed what restores, and ends when it is run again",
    async (when) => {
      const untouched = await makePlace(6);
      const whole = await copyOf(untouched);
      const counting = withFaults(whole.store);
      await steps(counting, whole.nowMs);
      const expected = [...whole.store.objects.keys()].map((key) => key.replace(/packs\/.*/, "packs/…")).sort();
      for (const isForEver of [false, true]) {
        for (let call = 1; call <= counting.calls.length; call++) {
          const place = await copyOf(untouched);
          const count = isForEver ? 1_000 : 1;
          const faults = Array.from({ length: count }, (_, index): Fault => ({
            call: call + index,
            when,
            code: "StorageUnreachable",
          }));
          const end = await outcomeOf(() => steps(withFaults(place.store, faults), place.nowMs));
          expect([call, end]).toEqual([call, "StorageUnreachable"]);
          const listed = await proveAll(place);
          expect([
            [1, 2, 3, 4, 5, 6],
            [1, 4, 6],
          ]).toContainEqual(listed);
          await steps(place.store, place.nowMs);
          expect(await proveAll(place)).toEqual([1, 4, 6]);
          const left = [...place.store.objects.keys()].map((key) => key.replace(/packs\/.*/, "packs/…")).sort();
          expect(left).toEqual(expected);
        }
      }
    },
  );
});

test("two prunes at the same moment: one writes the record, the other learns that it was not alone", async () => {
  const place = await makePlace(5);
  const { vault, nowMs } = place;
  const [first, second] = [await readStoredState(vault), await readStoredState(vault)];
  const of = (state: typeof first, released: number[]) =>
    planRelease(state, released, { nowMs, fencingToken: 1 }).record;
  await vault.releases.append(of(first, [1, 2]) as never);
  expect(await outcomeOf(() => vault.releases.append(of(second, [3]) as never))).toBe("OrganizationBusy");
  expect(await proveAll(place)).toEqual([3, 4, 5]);
});

test("a lease that is gone, or a hold that was placed, ends it before anything more is removed", async () => {
  const place = await makePlace(5);
  const { vault, nowMs } = place;
  await release(vault, [1, 2], nowMs);
  const objects = place.store.objects.size;
  const refused = async (): Promise<never> => {
    throw new Error("the lease went to another");
  };
  await expect(sweepVault(vault, { nowMs, graceMs, assertMayGoOn: refused })).rejects.toThrow("the lease went");
  expect(place.store.objects.size).toBe(objects);

  // It is asked again: between the manifests and the packs the lease can go, too.
  const before = await packsOf(vault);
  let asked = 0;
  const refusedLater = async (): Promise<void> => void ((asked += 1) > 1 && (await refused()));
  const later = { nowMs: nowMs + graceMs, graceMs, assertMayGoOn: refusedLater };
  await expect(sweepVault(vault, later)).rejects.toThrow("the lease went");
  expect(await vault.listSequences()).toEqual([3, 4, 5]);
  expect(await packsOf(vault)).toEqual(before);
});

describe("what is wrong ends a prune before it changes anything", () => {
  const unchanged = async (place: Place, code: string): Promise<void> => {
    const keys = [...place.store.objects.keys()];
    expect(await outcomeOf(() => release(place.vault, [2], place.nowMs))).toBe(code);
    expect(await outcomeOf(() => sweep(place.vault, place.nowMs + graceMs))).toBe(code);
    expect([...place.store.objects.keys()]).toEqual(keys);
  };

  test("a damaged manifest", async () => {
    const place = await makePlace(4);
    const key = manifestKey(firstOrganization, 3);
    place.store.objects.get(key)?.fill(0, 200, 210);
    await unchanged(place, "ObjectCorrupt");
  });

  test("a missing pack", async () => {
    const place = await makePlace(4);
    const [pack] = (await place.vault.listManifests())[1]?.packs ?? [];
    await place.vault.deletePacks([pack?.name ?? ""]);
    await unchanged(place, "ObjectMissing");
  });

  test("a manifest that somebody else removed, until a person writes down that this is known", async () => {
    const place = await makePlace(5);
    place.store.objects.delete(manifestKey(firstOrganization, 2));
    place.store.objects.delete(manifestKey(firstOrganization, 1));
    await unchanged(place, "RepositoryRolledBack");
    await release(place.vault, [3], place.nowMs, true);
    await sweep(place.vault, place.nowMs);
    expect(await proveAll(place)).toEqual([4, 5]);
    expect((await place.vault.releases.read())?.runs.map(({ from, to, by }) => [from, to, by])).toEqual([
      [1, 2, "unknown"],
      [3, 3, "retention"],
    ]);
  });
});

describe("an attacker who owns the store", () => {
  async function pruned(): Promise<{ place: Place; before: Map<string, Buffer> }> {
    const place = await makePlace(8);
    const before = new Map(place.store.objects);
    await release(place.vault, [2, 3], place.nowMs);
    const early = place.store.objects.get(releaseKey(firstOrganization, 1)) as Buffer;
    await sweep(place.vault, place.nowMs);
    await release(place.vault, [5], place.nowMs);
    await sweep(place.vault, place.nowMs + graceMs);
    before.set(releaseKey(firstOrganization, 1), early);
    expect(await proveAll(place)).toEqual([1, 4, 6, 7, 8]);
    return { place, before };
  }
  const problems = async ({ store, vault }: Place): Promise<string[]> =>
    (await verifyIntegrity(store, firstOrganization, vault.exportVerificationKey())).problems.map(({ code }) => code);

  test("removes a backup beside those that retention let go: it is found", async () => {
    for (const sequence of [1, 4, 6, 7]) {
      const { place } = await pruned();
      place.store.objects.delete(manifestKey(firstOrganization, sequence));
      expect([sequence, await problems(place)]).toEqual([sequence, ["RepositoryRolledBack"]]);
    }
  });

  test("removes the release record, or puts an older one in its place: it is found", async () => {
    const { place, before } = await pruned();
    const newest = releaseKey(firstOrganization, 2);
    const older = before.get(releaseKey(firstOrganization, 1)) as Buffer;
    const kept = place.store.objects.get(newest) as Buffer;
    place.store.objects.delete(newest);
    expect(await problems(place)).toEqual(["RepositoryRolledBack"]);
    place.store.objects.set(releaseKey(firstOrganization, 1), older);
    expect(await problems(place)).toEqual(["RepositoryRolledBack"]);
    place.store.objects.delete(releaseKey(firstOrganization, 1));
    place.store.objects.set(newest, older); // of another number
    expect(await problems(place)).toEqual(["ObjectCorrupt", "RepositoryRolledBack"]);
    expect(await outcomeOf(() => place.vault.listManifests())).toBe("ObjectCorrupt");
    place.store.objects.set(newest, kept);
    place.store.objects.set(`${releasesPrefix(firstOrganization)}readme`, Buffer.from("junk"));
    expect(await problems(place)).toEqual(["ObjectForeign"]);
  });

  test("changes any bit of the release record: it is found, and whole backups are still listed beside it", async () => {
    const { place } = await pruned();
    const key = releaseKey(firstOrganization, 2);
    const bytes = place.store.objects.get(key) as Buffer;
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      place.store.objects.set(key, changed);
      expect([at, await problems(place)]).not.toEqual([at, []]);
      const told: string[] = [];
      const listed = await place.vault.listManifests({ onDamaged: ({ code }: BackupError) => told.push(code) });
      expect([at, listed.length, told.length]).toEqual([at, 5, 1]);
    }
  });

  test("uses another organization's record, or another repository's: it is found", async () => {
    const { place } = await pruned();
    const other = await (await openRepository(place.store, smallKey)).openVault(secondOrganization, { create: true });
    for (let number = 1; number <= 8; number++) await writeBackup(other, contentOf(number), number);
    await release(other, [2, 3], place.nowMs);
    await release(other, [5], place.nowMs);
    const twin = await pruned();
    for (const bytes of [
      place.store.objects.get(releaseKey(secondOrganization, 2)),
      twin.place.store.objects.get(releaseKey(firstOrganization, 2)),
    ]) {
      place.store.objects.set(releaseKey(firstOrganization, 2), bytes as Buffer);
      expect(await problems(place)).toEqual(["ObjectCorrupt", "RepositoryRolledBack"]);
    }
  });

  test("puts a backup back that was let go: it is not listed", async () => {
    const { place, before } = await pruned();
    const key = manifestKey(firstOrganization, 3);
    place.store.objects.set(key, before.get(key) as Buffer);
    expect(await proveAll(place)).toEqual([1, 4, 6, 7, 8]);
    await sweep(place.vault, place.nowMs);
    expect(place.store.objects.has(key)).toBe(false);
  });
});

/**
 * Backups and prunes at any time beside each other, without any lease between them: a backup takes up to two days (longer
 * than a run with all its restarts) from its look at the newest manifest to its own, a prune stops anywhere between steps.
 */
test("whatever runs beside what, a listed backup restores", async () => {
  const action = fc.oneof(
    fc.record({ do: fc.constant("begin" as const) }),
    fc.record({ do: fc.constant("seal" as const), which: fc.nat(3) }),
    fc.record({ do: fc.constant("release" as const), which: fc.nat(255) }),
    fc.record({ do: fc.constant("sweep" as const) }),
    fc.record({ do: fc.constant("wait" as const), hours: fc.integer({ min: 1, max: 80 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 30 }), async (actions) => {
      const place = await makePlace(2);
      const { vault } = place;
      let writers: { sealed: SealedManifest; sinceMs: number }[] = [];
      let number = 2;
      for (const each of actions) {
        if (each.do === "wait") place.nowMs += each.hours * hourMs;
        writers = writers.filter(({ sinceMs }) => place.nowMs - sinceMs <= 48 * hourMs);
        if (each.do === "begin") {
          number += 1;
          const sinceMs = place.nowMs;
          const holding = {
            ...vault,
            storeManifest: async (sealed: SealedManifest) => void writers.push({ sealed, sinceMs }),
          };
          await writeBackup(holding, contentOf(number), number % 10);
        }
        if (each.do === "seal") {
          const [writer] = writers.splice(each.which % Math.max(1, writers.length), 1);
          if (writer !== undefined) await outcomeOf(() => vault.storeManifest(writer.sealed));
        }
        if (each.do === "release") {
          const listed = (await vault.listManifests()).map(({ sequence }) => sequence);
          const going = listed.slice(0, -1).filter((_, index) => ((each.which >> (index % 8)) & 1) === 1);
          await release(vault, going, place.nowMs);
        }
        if (each.do === "sweep") await sweep(vault, place.nowMs);
        await proveAll(place);
      }
    }),
    { numRuns: 25 },
  );
});
