import { describe, expect, test } from "@jest/globals";
import { createFilesystemStore } from "../../../src/adapters/object-store/filesystem.ts";
import { withFaults } from "../../../src/adapters/object-store/faulty.ts";
import { createMemoryStore, type MemoryStore } from "../../../src/adapters/object-store/memory.ts";
import { rootKey, wrappedKeyKey, wrappedKeysPrefix } from "../../../src/repository/names.ts";
import { createOrOpenRepository, openRepository } from "../../../src/repository/repository.ts";
import { verifyIntegrity } from "../../../src/repository/verify-integrity.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
const passphrase = "correct horse battery staple";

describe("the root key", () => {
  test("opens what it made, as base64, base64url or hex", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const bytes = Buffer.from(smallKey, "base64");
    for (const text of [smallKey, `  ${smallKey}\n`, bytes.toString("hex"), bytes.toString("base64url")])
      expect((await openRepository(repository.store, text)).id).toBe(repository.id);
  });

  test("that is wrong opens nothing", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    expect(await outcomeOf(() => openRepository(repository.store, otherKey))).toBe("EncryptionKeyWrong");
    expect(await outcomeOf(() => createOrOpenRepository(repository.store, otherKey))).toBe("EncryptionKeyWrong");
    expect(await outcomeOf(() => openRepository(repository.store, passphrase))).toBe("EncryptionKeyWrong");
  });

  test.each(["", "short", "passphrase:", "passphrase:too short", Buffer.alloc(16).toString("hex").slice(0, 15)])(
    "of no known form is refused: %j",
    async (text) => {
      expect(await outcomeOf(() => createOrOpenRepository(createMemoryStore(), text))).toBe("EncryptionKeyInvalid");
    },
  );

  test("may be a passphrase, whatever the form of its accents", async () => {
    const store = createMemoryStore();
    const { id } = await createOrOpenRepository(store, "passphrase:une clé très sûre");
    expect((await openRepository(store, "passphrase:une clé très sûre".normalize("NFD"))).id).toBe(id);
    expect(await outcomeOf(() => openRepository(store, "passphrase:une cle tres sure"))).toBe("EncryptionKeyWrong");
    const [descriptor] = [...store.objects].filter(([key]) => key.startsWith("roots/"));
    const { kind, iterations, salt } = JSON.parse(String(descriptor?.[1]).split("\n")[0] ?? "");
    expect(kind).toBe("pbkdf2-hmac-sha256");
    expect(iterations).toBeGreaterThanOrEqual(600_000);
    expect(Buffer.from(salt, "base64")).toHaveLength(16);
  });

  test("is not asked to work for hours by a descriptor that a stranger wrote", async () => {
    const store = createMemoryStore();
    await createOrOpenRepository(store, passphrase);
    const key = [...store.objects.keys()].find((each) => each.startsWith("roots/")) ?? "";
    const { encodeRecord } = await import("../../../src/repository/records.ts");
    const record = JSON.parse(String(store.objects.get(key)).split("\n")[0] ?? "");
    for (const iterations of [1, 599_999, 10_000_001, 1e15]) {
      store.objects.set(key, encodeRecord({ ...record, iterations }));
      expect(await outcomeOf(() => openRepository(store, passphrase))).toBe("ObjectCorrupt");
    }
  });

  test("opens although another descriptor beside its own is damaged", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const store = repository.store as MemoryStore;
    store.objects.set(rootKey("0000000000000000"), Buffer.from("junk"));
    store.objects.set("roots/junk", Buffer.from("junk"));
    expect((await openRepository(store, smallKey)).id).toBe(repository.id);
    expect(await outcomeOf(() => openRepository(store, otherKey))).toBe("ObjectCorrupt");
  });
});

describe("first starts", () => {
  test("at the same moment end in one repository, one root and one key of an organization", async () => {
    const store = createMemoryStore();
    const repositories = await Promise.all(Array.from({ length: 8 }, () => createOrOpenRepository(store, passphrase)));
    expect(new Set(repositories.map((each) => each.id)).size).toBe(1);
    const vaults = await Promise.all(repositories.map((each) => each.openVault("a", { create: true })));
    expect(new Set(vaults.map((vault) => vault.exportVerificationKey())).size).toBe(1);
    expect(store.objects.size).toBe(3); // repository, one root, one wrapped key
  });

  test("that are cut off before or after any call go on at the next start", async () => {
    for (const when of ["before", "after"] as const) {
      for (let call = 1; ; call++) {
        const store = createMemoryStore();
        const faulty = withFaults(store, [{ call, when, code: "StorageUnreachable" }]);
        const start = async () => (await createOrOpenRepository(faulty, smallKey)).openVault("a", { create: true });
        const first = await outcomeOf(start);
        faulty.faults = [];
        expect(await outcomeOf(start)).toBe("done");
        expect(await outcomeOf(() => openRepository(store, smallKey))).toBe("done");
        expect([...store.objects.keys()].filter((key) => key !== "repository")).toHaveLength(2);
        if (first === "done") break;
      }
    }
  });

  test("with two different keys write nothing that only one of them could read", async () => {
    const store = createMemoryStore();
    const [a, b] = await Promise.all([
      createOrOpenRepository(store, smallKey),
      createOrOpenRepository(store, otherKey),
    ]);
    expect(await outcomeOf(() => a.openVault("a", { create: true }))).toBe("KeyRotationUnfinished");
    expect(await outcomeOf(() => b.openVault("a", { create: true }))).not.toBe("done");
    await a.rotateRootKey(smallKey);
    expect(await outcomeOf(() => a.openVault("a", { create: true }))).toBe("done");
    expect(await outcomeOf(() => openRepository(store, otherKey))).toBe("EncryptionKeyWrong");
  });

  test("do not make a second repository where the record of one was lost", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const store = repository.store as MemoryStore;
    store.objects.delete("repository");
    expect(await outcomeOf(() => createOrOpenRepository(store, smallKey))).toBe("ObjectMissing");
    // Nor say that there is none: whoever reads that looks for another bucket.
    await expect(openRepository(store, smallKey)).rejects.toMatchObject({
      code: "ObjectMissing",
      message: expect.stringContaining("Bring that object back from a copy of the store"),
    });
    expect(store.objects.has("repository")).toBe(false);
    store.objects.clear();
    expect(await outcomeOf(() => openRepository(store, smallKey))).toBe("RepositoryMissing");
  });

  test("do not give a new root to organizations whose root was lost", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const store = repository.store as MemoryStore;
    for (const key of store.objects.keys()) if (key.startsWith("roots/")) store.objects.delete(key);
    expect(await outcomeOf(() => createOrOpenRepository(store, otherKey))).toBe("ObjectMissing");
  });
});

describe("an organization's key", () => {
  test("is found in a folder, too, for ids that are traps for paths", async () => {
    const rootDir = await mkdtemp(join(tmpdir(), "repository-"));
    try {
      const { repository } = await makeSmallRepository(createFilesystemStore({ rootDir }));
      expect(await repository.listOrganizations()).toEqual([secondOrganization, firstOrganization]);
    } finally {
      await rm(rootDir, { recursive: true });
    }
  });

  test("that is gone is not replaced while backups are there that it sealed", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const store = repository.store as MemoryStore;
    for (const key of store.objects.keys()) if (key.includes("/keys/")) store.objects.delete(key);
    expect(await outcomeOf(() => repository.openVault(firstOrganization))).toBe("ObjectMissing");
    expect(await outcomeOf(() => repository.openVault(firstOrganization, { create: true }))).toBe("ObjectMissing");
    expect(await outcomeOf(() => repository.openVault("new", { create: true }))).toBe("done");
  });

  test("of an organization without a backup is not made by looking", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const reading = outcomeOf(() => repository.openVault("new"));
    const writing = outcomeOf(() => repository.openVault("new", { create: true }));
    expect(await reading).toBe("BackupNotFound");
    expect(await writing).toBe("done");
  });

  test("that was destroyed is not remembered by an open repository", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    await repository.openVault(firstOrganization);
    const store = repository.store as MemoryStore;
    for (const key of store.objects.keys())
      if (key.startsWith(wrappedKeysPrefix(firstOrganization))) store.objects.delete(key);
    expect(await outcomeOf(() => repository.openVault(firstOrganization))).toBe("ObjectMissing");
  });
});

describe("rotation", () => {
  const dataOf = (store: MemoryStore) =>
    new Map([...store.objects].filter(([key]) => /\/(packs|manifests)\//.test(key) || key === "repository"));

  test("rewrites no backup, and the old key opens nothing afterwards", async () => {
    const { repository, backups } = await makeSmallRepository(createMemoryStore());
    const store = repository.store as MemoryStore;
    const before = dataOf(store);
    const keysBefore = [...store.objects.keys()].filter((key) => key.includes("/keys/"));
    expect(await repository.rotateRootKey(otherKey)).toMatchObject({ organizations: { length: 2 } });
    expect(dataOf(store)).toEqual(before);
    expect([...store.objects.keys()].filter((key) => keysBefore.includes(key))).toEqual([]);
    expect(await outcomeOf(() => openRepository(store, smallKey))).toBe("EncryptionKeyWrong");
    for (const opened of [repository, await openRepository(store, otherKey)]) {
      for (const { organizationId, sequence, content } of backups) {
        const vault = await opened.openVault(organizationId, { create: true });
        const { manifest } = await vault.readManifest(sequence);
        expect(await readEverything(vault, manifest)).toEqual(expectedContent(content));
        expect((await verifyIntegrity(store, organizationId, vault.exportVerificationKey())).problems).toEqual([]);
      }
    }
  });

  test("leaves verification keys as they were", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const key = (await repository.openVault(firstOrganization)).exportVerificationKey();
    await repository.rotateRootKey(passphrase);
    expect((await repository.openVault(firstOrganization)).exportVerificationKey()).toBe(key);
    expect((await verifyIntegrity(repository.store, firstOrganization, key)).problems).toEqual([]);
  });

  test("to the same key changes nothing", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const store = repository.store as MemoryStore;
    const before = new Map(store.objects);
    await repository.rotateRootKey(smallKey);
    expect(store.objects).toEqual(before);
  });

  test("cut off before or after any call loses no key, and ends when it is run again", async () => {
    for (const when of ["before", "after"] as const) {
      for (let call = 1; ; call++) {
        const { repository } = await makeSmallRepository(createMemoryStore());
        const store = repository.store as MemoryStore;
        const opened = await openRepository(withFaults(store, []), smallKey);
        const faulty = opened.store as ReturnType<typeof withFaults>;
        faulty.faults = [{ call: faulty.calls.length + call, when, code: "StorageUnreachable" }];
        const first = await outcomeOf(() => opened.rotateRootKey(otherKey));
        // Whatever happened: with the old key or with the new one, every organization opens for reading.
        const readable = await Promise.all([smallKey, otherKey].map((key) => opensAll(store, key)));
        expect(readable).toContain("done");
        if ((await outcomeOf(() => openRepository(store, smallKey))) === "done")
          expect(await outcomeOf(async () => (await openRepository(store, smallKey)).rotateRootKey(otherKey))).toBe(
            "done",
          );
        expect(await opensAll(store, otherKey)).toBe("done");
        expect(await outcomeOf(() => openRepository(store, smallKey))).toBe("EncryptionKeyWrong");
        if (first === "done") break;
      }
    }
  });

  const opensAll = (store: MemoryStore, key: string) =>
    outcomeOf(async () => {
      const repository = await openRepository(store, key);
      for (const id of [firstOrganization, secondOrganization]) await repository.openVault(id);
    });

  test("makes processes with the old key wait or stop, but lose nothing", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const store = repository.store as MemoryStore;
    const old = await openRepository(store, smallKey);
    const vault = await old.openVault(firstOrganization, { create: true });
    // In the middle: the new root is there, nothing else yet.
    const faulty = withFaults(store, []);
    const rotating = await openRepository(faulty, smallKey);
    faulty.faults = [{ call: faulty.calls.length + 3, when: "before", code: "StorageUnreachable" }];
    expect(await outcomeOf(() => rotating.rotateRootKey(otherKey))).toBe("StorageUnreachable");
    expect(await outcomeOf(() => old.openVault(firstOrganization))).toBe("done");
    expect(await outcomeOf(() => old.openVault(firstOrganization, { create: true }))).toBe("KeyRotationUnfinished");
    expect(await outcomeOf(() => old.openVault("new", { create: true }))).toBe("KeyRotationUnfinished");
    await rotating.rotateRootKey(otherKey);
    expect(await outcomeOf(() => old.openVault(firstOrganization, { create: true }))).toBe("EncryptionKeyWrong");
    expect(await outcomeOf(() => old.openVault("another", { create: true }))).toBe("EncryptionKeyWrong");
    expect((await vault.listManifests()).length).toBe(3); // a run that was under way goes on
    const fresh = await openRepository(store, otherKey);
    for (const id of [firstOrganization, "new", "another"])
      expect(await outcomeOf(() => fresh.openVault(id, { create: true }))).toBe("done");
  });

  test("stops, and removes nothing, where an organization's key can't be wrapped again", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const store = repository.store as MemoryStore;
    const [rootKeyId = ""] = [...store.objects.keys()]
      .filter((key) => key.startsWith("roots/"))
      .map((key) => key.slice(6));
    const key = wrappedKeyKey(secondOrganization, rootKeyId);
    store.objects.set(key, store.objects.get(wrappedKeyKey(firstOrganization, rootKeyId)) as Buffer);
    const before = [...store.objects.keys()];
    expect(await outcomeOf(() => repository.rotateRootKey(otherKey))).toBe("ObjectForeign");
    for (const each of before) expect(store.objects.has(each)).toBe(true);
    expect(await outcomeOf(() => openRepository(store, smallKey))).toBe("done");
  });
});
