import { describe, expect, test } from "@jest/globals";
import { withFaults } from "../../../src/adapters/object-store/faulty.ts";
import { createMemoryStore, type MemoryStore } from "../../../src/adapters/object-store/memory.ts";
import { isConfirmed } from "../../../src/domain/erase-run.ts";
import { canonicalJson } from "../../../src/domain/canonical-json.ts";
import type { ObjectStore } from "../../../src/ports/object-store.ts";
import { organizationPrefix, wrappedKeysPrefix } from "../../../src/repository/names.ts";
import { createOrOpenRepository, openRepository, type Repository } from "../../../src/repository/repository.ts";
import { verifyIntegrity } from "../../../src/repository/verify-integrity.ts";
import { outcomeOf } from "../../support/outcome.ts";
import {
  expectedContent,
  firstOrganization,
  makeSmallRepository,
  readEverything,
  secondOrganization,
  smallKey,
} from "../../support/small-repository.ts";

const otherKey = Buffer.alloc(32, 8).toString("base64");
const tombstone = { erasureId: "9d9e0b8e-6a3a-4c55-8f55-1c1a35a1e0aa", orderedAt: "2026-01-02T03:04:05.678Z" };
const prefix = organizationPrefix(firstOrganization);

async function erase(repository: Repository): Promise<void> {
  const erasure = repository.erasure(firstOrganization);
  await erasure.writeTombstone(tombstone);
  await erasure.destroyKeys();
  await erasure.deleteAll(async () => {});
}

const under = (store: MemoryStore, start: string): [string, Buffer][] =>
  [...store.objects].filter(([key]) => key.startsWith(start));
const opens = (repository: Repository, create = false) =>
  outcomeOf(() => repository.openVault(firstOrganization, { create }));

async function smallStore(): Promise<{ store: MemoryStore; repository: Repository }> {
  const { repository } = await makeSmallRepository(createMemoryStore());
  return { store: repository.store as MemoryStore, repository };
}

function copyOf(store: MemoryStore): MemoryStore {
  const copy = createMemoryStore();
  for (const [key, bytes] of store.objects) copy.objects.set(key, Buffer.from(bytes));
  return copy;
}

describe("an erasure", () => {
  test("leaves nothing of the organization, not even its id, and every other byte as it was", async () => {
    const { store, repository } = await smallStore();
    const before = copyOf(store);
    expect(under(store, prefix).length).toBeGreaterThan(5);
    expect((await repository.erasure(firstOrganization).count()).manifests).toBe(3);
    await erase(repository);
    expect(under(store, prefix)).toEqual([]);
    for (const [key, bytes] of store.objects) {
      expect(key).not.toContain(firstOrganization);
      expect(bytes.includes(firstOrganization)).toBe(false);
      if (!key.startsWith("erased/")) expect(before.objects.get(key)?.equals(bytes)).toBe(true);
    }
    const left = [...before.objects.keys()].filter((key) => !key.startsWith(prefix));
    expect([...store.objects.keys()].filter((key) => !key.startsWith("erased/"))).toEqual(left);
    expect(under(store, "erased/")).toHaveLength(1);
  });

  test("is known to every process, whether it began before or after, with the root key and with the verification key", async () => {
    const { store, repository } = await smallStore();
    const verificationKey = (await repository.openVault(firstOrganization)).exportVerificationKey();
    await erase(repository);
    for (const each of [repository, await openRepository(store, smallKey)]) {
      expect(await opens(each)).toBe("OrganizationErased");
      expect(await opens(each, true)).toBe("OrganizationErased");
      expect(await each.listOrganizations()).toEqual([secondOrganization]);
    }
    expect(await outcomeOf(() => verifyIntegrity(store, firstOrganization, verificationKey))).toBe(
      "OrganizationErased",
    );
    expect(under(store, prefix)).toEqual([]);
  });

  test("cut off before or after any call can be ended, and from the keys on nothing can be read", async () => {
    for (const when of ["before", "after"] as const) {
      for (let call = 1; ; call++) {
        const { store } = await smallStore();
        const faulty = withFaults(store);
        const repository = await openRepository(faulty, smallKey);
        const secondBefore = under(store, organizationPrefix(secondOrganization));
        faulty.faults = [{ call: faulty.calls.length + call, when, code: "StorageUnreachable" }];
        const first = await outcomeOf(() => erase(repository));
        const place = `${when} call ${call}`;
        if (under(store, "erased/").length > 0)
          expect([place, await opens(await openRepository(store, smallKey))]).toEqual([place, "OrganizationErased"]);
        else expect([place, await opens(await openRepository(store, smallKey))]).toEqual([place, "done"]);
        await erase(await openRepository(store, smallKey));
        expect([place, under(store, prefix)]).toEqual([place, []]);
        expect(under(store, organizationPrefix(secondOrganization))).toEqual(secondBefore);
        if (first === "done") break;
      }
    }
  });

  test("stays, when old objects are put back: keys, packs, manifests", async () => {
    const { store, repository } = await smallStore();
    const before = copyOf(store);
    await erase(repository);
    for (const [key, bytes] of before.objects) store.objects.set(key, bytes);
    expect(await opens(await openRepository(store, smallKey))).toBe("OrganizationErased");
    expect(await repository.listOrganizations()).toEqual([secondOrganization]);
    await erase(repository);
    expect(under(store, prefix)).toEqual([]);
  });

  test("does not reach a copy of the store; without the wrapped key, that is read by nobody", async () => {
    const { store, repository } = await smallStore();
    const whole = copyOf(store);
    const keyless = copyOf(store);
    for (const [key] of under(keyless, wrappedKeysPrefix(firstOrganization))) keyless.objects.delete(key);
    await erase(repository);
    expect(await opens(await openRepository(keyless, smallKey))).toBe("ObjectMissing");
    // Said in FORMAT.md's threat model: whoever has copy and root key can read.
    const vault = await (await openRepository(whole, smallKey)).openVault(firstOrganization);
    const { manifest } = await vault.readManifest(1);
    expect(Object.keys(await readEverything(vault, manifest)).length).toBeGreaterThan(0);
  });

  test("leaves the other organization readable", async () => {
    const { repository, backups } = await makeSmallRepository(createMemoryStore());
    await erase(repository);
    const vault = await repository.openVault(secondOrganization);
    for (const { sequence, content } of backups.filter((each) => each.organizationId === secondOrganization)) {
      const { manifest } = await vault.readManifest(sequence);
      expect(await readEverything(vault, manifest)).toEqual(expectedContent(content));
    }
  });

  test("and a first backup at the same moment leave no key, in whatever order their calls come", async () => {
    for (let delay = 0; delay < 12; delay++) {
      const store = createMemoryStore();
      const repository = await createOrOpenRepository(store, smallKey);
      const writer = await openRepository(slowed(store, delay), smallKey);
      const [, opened] = await Promise.all([erase(repository), opens(writer, true)]);
      const left = under(store, wrappedKeysPrefix(firstOrganization));
      // Either the writer was told, or its key was found; what came too late is refused, and goes with the next sweep.
      expect([delay, opened === "OrganizationErased" || left.length === 0]).toEqual([delay, true]);
      expect(await opens(repository)).toBe("OrganizationErased");
    }
  });
});

/** Every call waits for so many turns of the event loop. */
function slowed(store: ObjectStore, turns: number): ObjectStore {
  const wait = async (): Promise<void> => {
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    ...store,
    create: async (...parameters) => (await wait(), await store.create(...parameters)),
    read: async (...parameters) => (await wait(), await store.read(...parameters)),
  };
}

describe("a tombstone", () => {
  const keyOf = (store: MemoryStore): string => under(store, "erased/")[0]?.[0] ?? "";

  test("that is changed in any bit, or forged, refuses by another name, and never lets the organization in", async () => {
    const { store, repository } = await smallStore();
    const before = copyOf(store);
    await repository.erasure(firstOrganization).writeTombstone(tombstone);
    const whole = store.objects.get(keyOf(store)) as Buffer;
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 1;
      store.objects.set(keyOf(store), changed);
      expect(["ObjectCorrupt", "ObjectForeign"]).toContain(await opens(repository));
    }
    // The tombstone of a repository with the same key, for an organization of the same id.
    const other = await createOrOpenRepository(createMemoryStore(), smallKey);
    await other.erasure(firstOrganization).writeTombstone(tombstone);
    const foreign = under(other.store as MemoryStore, "erased/")[0]?.[1] as Buffer;
    store.objects.set(keyOf(store), foreign);
    expect(await opens(repository)).toBe("ObjectForeign");
    expect(before.objects.size).toBe(store.objects.size - 1);
  });

  test("goes with a rotation of the root key, wherever that is cut off", async () => {
    for (const when of ["before", "after"] as const) {
      for (let call = 1; ; call++) {
        const { store, repository } = await smallStore();
        await erase(repository);
        const faulty = withFaults(store);
        const rotating = await openRepository(faulty, smallKey);
        faulty.faults = [{ call: faulty.calls.length + call, when, code: "StorageUnreachable" }];
        const first = await outcomeOf(() => rotating.rotateRootKey(otherKey));
        for (const key of [smallKey, otherKey]) {
          if ((await outcomeOf(() => openRepository(store, key))) !== "done") continue;
          expect(await opens(await openRepository(store, key))).toBe("OrganizationErased");
        }
        if ((await outcomeOf(() => openRepository(store, smallKey))) === "done")
          await (await openRepository(store, smallKey)).rotateRootKey(otherKey);
        const rotated = await openRepository(store, otherKey);
        expect(await rotated.erasure(firstOrganization).readTombstone()).toEqual(tombstone);
        expect(under(store, "erased/")).toHaveLength(1);
        if (first === "done") break;
      }
    }
  });

  test("of an erasure in the middle of a rotation keeps the rotation from bringing the key back", async () => {
    for (let call = 1; ; call++) {
      const { store } = await smallStore();
      const eraser = await openRepository(store, smallKey);
      const steps: string[] = [];
      const rotating = await openRepository(store, smallKey);
      // The erasure happens right before one of the rotation's calls.
      const meddled: MemoryStore = Object.assign(Object.create(store) as MemoryStore, {
        create: async (key: string, body: Uint8Array) => {
          steps.push(key);
          if (steps.length === call) await erase(eraser);
          await store.create(key, body);
        },
      });
      const opened = await openRepository(meddled, smallKey);
      const outcome = await outcomeOf(() => opened.rotateRootKey(otherKey));
      expect(["done", "ObjectMissing"]).toContain(outcome);
      if (steps.length < call) break;
      if (outcome !== "done") await rotating.rotateRootKey(otherKey);
      expect([call, under(store, prefix)]).toEqual([call, []]);
      expect(await opens(await openRepository(store, otherKey))).toBe("OrganizationErased");
    }
  });

  test("is not written by a process whose root key was rotated away", async () => {
    const { store, repository } = await smallStore();
    await (await openRepository(store, smallKey)).rotateRootKey(otherKey);
    expect(await outcomeOf(() => repository.erasure(firstOrganization).writeTombstone(tombstone))).toBe(
      "EncryptionKeyWrong",
    );
  });
});

describe("a certificate", () => {
  test("is proven by the root key that signed it, and by no other text", async () => {
    const { store, repository } = await smallStore();
    const text = canonicalJson({ b: [1, { d: null, c: "é" }], a: "x", left: undefined });
    expect(text).toBe('{"a":"x","b":[1,{"c":"é","d":null}]}');
    const signature = repository.erasure(firstOrganization).sign(text);
    const erasure = (await openRepository(store, smallKey)).erasure(firstOrganization);
    expect(erasure.isSigned(text, signature)).toBe(true);
    expect(erasure.isSigned(`${text} `, signature)).toBe(false);
    expect(erasure.isSigned(text, { ...signature, mac: signature.mac.replace(/^./, "z") })).toBe(false);
    await repository.rotateRootKey(otherKey);
    expect((await openRepository(store, otherKey)).erasure(firstOrganization).isSigned(text, signature)).toBe(null);
  });
});

test("only the id or the name, to the letter, confirms", () => {
  expect(isConfirmed("org-1", "org-1")).toBe(true);
  expect(isConfirmed("Smith & Jones", "org-1", "Smith & Jones")).toBe(true);
  for (const typed of ["", " org-1", "ORG-1", "yes", "org-1 "]) expect(isConfirmed(typed, "org-1", "")).toBe(false);
});
