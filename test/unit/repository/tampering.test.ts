// R2: whoever can write to the bucket changes nothing unseen. Some of the bits of every object here; all of them in
// test/integration/every-bit.test.ts.
import { beforeAll, describe, expect, test } from "@jest/globals";
import { frameOverheadBytes, headerBytes, macBytes } from "../../../src/crypto/sealed-object.ts";
import { manifestKey, organizationPrefix } from "../../../src/repository/names.ts";
import { openRepository } from "../../../src/repository/repository.ts";
import { verifyIntegrity } from "../../../src/repository/verify-integrity.ts";
import {
  countContentProblems,
  flipped,
  isFound,
  isRead,
  makeSubject,
  readBackup,
  withObject,
  type Subject,
} from "../../support/flip-bits.ts";
import { outcomeOf } from "../../support/outcome.ts";
import { firstOrganization, secondOrganization, smallKey, writeBackup } from "../../support/small-repository.ts";

let subject: Subject;
beforeAll(async () => {
  subject = await makeSubject();
});

/** The same bits on every run: a small generator with a fixed seed. */
const bitsOf = function* (bytes: Buffer, step: number): Generator<number> {
  let state = 20_261_124;
  for (let at = 0; at < bytes.length; at += step) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield at * 8 + (state >>> 29);
  }
};

/** Every sealed object's seams, and one byte to either side of them. */
function lengthsToCut(bytes: Buffer): number[] {
  const seams = [0, 4, 12, 44, headerBytes, headerBytes + frameOverheadBytes, bytes.length - macBytes - 4];
  seams.push(bytes.length - macBytes, bytes.length);
  let at = headerBytes + (bytes.length > headerBytes ? bytes.readUInt32BE(8) : 0);
  while (at + 8 < bytes.length - macBytes) {
    seams.push(at, at + 8);
    at += (bytes.readUInt32BE(at + 4) & 0x7fff_ffff) + frameOverheadBytes;
  }
  const near = seams.flatMap((seam) => [seam - 1, seam, seam + 1]);
  return [...new Set(near)].filter((length) => length >= 0 && length < bytes.length);
}

describe("a flipped bit", () => {
  test("of any byte is found with the verification key alone", async () => {
    const unseen: string[] = [];
    for (const target of subject.targets) {
      for (const bit of bitsOf(target.bytes, 3)) {
        await withObject(subject.store, target.key, flipped(target.bytes, bit), async () => {
          if (!(await isFound(subject, target))) unseen.push(`${target.key} bit ${bit}`);
        });
      }
    }
    expect(unseen).toEqual([]);
  });

  test("of any byte that a backup needs is refused by reading it; of any other changes nothing", async () => {
    const wrong: string[] = [];
    for (const target of subject.targets) {
      for (const bit of bitsOf(target.bytes, 23)) {
        await withObject(subject.store, target.key, flipped(target.bytes, bit), async () => {
          for (const backup of subject.backups) {
            if (!target.organizations.includes(backup.organizationId)) continue;
            const isWhole = (await readBackup(subject, backup)) === "whole";
            if (isWhole === isRead(backup.manifest, target, bit >> 3)) wrong.push(`${target.key} bit ${bit}`);
          }
        });
      }
    }
    expect(wrong).toEqual([]);
  });

  test("of any byte of a frame is found by a proof of the content", async () => {
    const wrong: string[] = [];
    for (const target of subject.targets.filter(({ key }) => key.includes("/packs/"))) {
      for (const bit of bitsOf(target.bytes, 23)) {
        await withObject(subject.store, target.key, flipped(target.bytes, bit), async () => {
          for (const backup of subject.backups) {
            if (!target.organizations.includes(backup.organizationId)) continue;
            const found = (await countContentProblems(subject, backup)) > 0;
            if (found !== isRead(backup.manifest, target, bit >> 3)) wrong.push(`${target.key} bit ${bit}`);
          }
        });
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe("an object", () => {
  test("cut short at any seam is found, and refused by reading", async () => {
    for (const target of subject.targets) {
      for (const length of lengthsToCut(target.bytes)) {
        await withObject(subject.store, target.key, target.bytes.subarray(0, length), async () => {
          expect([target.key, length, await isFound(subject, target)]).toEqual([target.key, length, true]);
          for (const backup of subject.backups) {
            if (!target.organizations.includes(backup.organizationId)) continue;
            const outcome = await readBackup(subject, backup);
            if (
              Array.from({ length: target.bytes.length - length }, (_, i) => length + i).some((at) =>
                isRead(backup.manifest, target, at),
              )
            )
              expect([target.key, length, outcome]).not.toEqual([target.key, length, "whole"]);
          }
        });
      }
    }
  });

  test("with bytes behind it is found", async () => {
    for (const target of subject.targets) {
      for (const more of [Buffer.alloc(1), Buffer.from("\n"), Buffer.alloc(macBytes), target.bytes]) {
        await withObject(subject.store, target.key, Buffer.concat([target.bytes, more]), async () => {
          expect([target.key, await isFound(subject, target)]).toEqual([target.key, true]);
          for (const backup of subject.backups) {
            const isNeeded = target.organizations.includes(backup.organizationId) && !target.key.includes("/packs/");
            if (isNeeded && isRead(backup.manifest, target, 0))
              expect(await readBackup(subject, backup)).not.toBe("whole");
          }
        });
      }
    }
  });

  test("that is gone is found, unless it is a manifest at the end (see: rolled back)", async () => {
    const lastOf = new Map(subject.backups.map(({ organizationId, sequence }) => [organizationId, sequence]));
    const atTheEnd = [...lastOf].map(([organizationId, sequence]) => manifestKey(organizationId, sequence));
    for (const target of subject.targets) {
      await withObject(subject.store, target.key, null, async () => {
        expect([target.key, await isFound(subject, target)]).toEqual([target.key, !atTheEnd.includes(target.key)]);
        for (const backup of subject.backups)
          if (target.organizations.includes(backup.organizationId) && isRead(backup.manifest, target, 0))
            expect(await readBackup(subject, backup)).not.toBe("whole");
      });
    }
  });

  test("in any other object's place is found, and refused by reading", async () => {
    for (const target of subject.targets) {
      for (const other of subject.targets) {
        if (other.key === target.key) continue;
        await withObject(subject.store, target.key, other.bytes, async () => {
          expect([target.key, other.key, await isFound(subject, target)]).toEqual([target.key, other.key, true]);
          for (const backup of subject.backups)
            if (target.organizations.includes(backup.organizationId) && isRead(backup.manifest, target, 0))
              expect(await readBackup(subject, backup)).not.toBe("whole");
        });
      }
    }
  });

  test("of another repository with the same key, organizations and content is found, and refused by reading", async () => {
    const twin = await makeSubject();
    for (const target of subject.targets) {
      const kind = target.key.replace(/packs\/.*/, "packs/");
      for (const other of twin.targets.filter(({ key }) => key.startsWith(kind))) {
        await withObject(subject.store, target.key, other.bytes, async () => {
          expect([target.key, await isFound(subject, target)]).toEqual([target.key, true]);
          for (const backup of subject.backups)
            if (target.organizations.includes(backup.organizationId) && isRead(backup.manifest, target, 0))
              expect(await readBackup(subject, backup)).not.toBe("whole");
        });
      }
    }
  });

  test("that was planted beside the others is found or noted, and hides none of them", async () => {
    const prefix = organizationPrefix(firstOrganization);
    const foreignPack = subject.targets.find(({ key }) =>
      key.startsWith(`${organizationPrefix(secondOrganization)}packs/`),
    );
    const plants: [string, Buffer][] = [
      [`${prefix}packs/${"0".repeat(64)}`, Buffer.from("junk")],
      [`${prefix}packs/readme`, Buffer.from("junk")],
      [`${prefix}packs/${foreignPack?.key.split("/").at(-1)}`, foreignPack?.bytes as Buffer],
      [`${prefix}manifests/readme`, Buffer.from("junk")],
      [`${prefix}manifests/0000000000`, Buffer.from("junk")],
      [`${prefix}manifests/0000000009`, Buffer.from("junk")],
      [`${prefix}keys/1.0000000000000000`, Buffer.from("junk")],
      [`${prefix}elsewhere`, Buffer.from("junk")],
    ];
    for (const [key, bytes] of plants) {
      await withObject(subject.store, key, bytes, async () => {
        const report = await verifyIntegrity(subject.store, firstOrganization, verificationKey());
        expect([key, report.problems.map((problem) => problem.key)]).toEqual([key, [key]]);
        for (const backup of subject.backups) expect(await readBackup(subject, backup)).toBe("whole");
      });
    }
    for (const [key, bytes] of [
      ["roots/0000000000000000", Buffer.from("junk")],
      ["organizations/%zz/keys/1", Buffer.from("junk")],
    ] as const) {
      await withObject(subject.store, key, bytes, async () => {
        expect((await verifyIntegrity(subject.store, firstOrganization, verificationKey())).problems).toEqual([]);
        expect(await subject.repository.listOrganizations()).toEqual([secondOrganization, firstOrganization]);
        for (const backup of subject.backups) expect(await readBackup(subject, backup)).toBe("whole");
      });
    }
  });
});

const verificationKey = (): string => subject.verificationKeys.get(firstOrganization) as string;

describe("manifests", () => {
  test("rolled back are found against what the control tables remember", async () => {
    const { repository, store } = await makeSubject();
    const vault = await repository.openVault(firstOrganization);
    const key = vault.exportVerificationKey();
    const latest = await vault.latestManifest();
    const expectedLatest = { sequence: 3, hash: latest?.hash as string };
    const check = async () =>
      (await verifyIntegrity(store, firstOrganization, key, { expectedLatest })).problems.map(
        (problem) => problem.code,
      );
    expect(await check()).toEqual([]);
    const name = [...store.objects.keys()].find((each) => each.endsWith("/manifests/0000000003")) as string;
    await withObject(store, name, null, async () => expect(await check()).toEqual(["RepositoryRolledBack"]));
    // Damaged it is told once, as what it is.
    await withObject(store, name, Buffer.from("junk"), async () => expect(await check()).toEqual(["ObjectCorrupt"]));
    // Another backup in its place, made with the right key: the store was set back, and backed up again.
    store.objects.delete(name);
    await writeBackup(vault, subject.backups[0]?.content as never, 7);
    expect(await check()).toEqual(["RepositoryRolledBack"]);
    await writeBackup(vault, subject.backups[0]?.content as never, 8);
    expect(await check()).toEqual(["RepositoryRolledBack"]);
  });

  test("that do not follow one another are found without the control tables", async () => {
    const { repository, store } = await makeSubject();
    const vault = await repository.openVault(firstOrganization);
    const first = [...store.objects.keys()].find((each) =>
      each.endsWith(`${firstOrganization}/manifests/0000000001`),
    ) as string;
    const { manifest } = await vault.readManifest(1);
    store.objects.set(first, vault.sealManifest({ ...manifest, backupId: "another" }).bytes);
    const { problems } = await verifyIntegrity(store, firstOrganization, vault.exportVerificationKey());
    expect(problems.map((problem) => problem.code)).toEqual(["RepositoryRolledBack"]);
  });

  test("that are damaged do not hide the whole ones from a listing that says so", async () => {
    const { repository, store } = await makeSubject();
    const vault = await repository.openVault(firstOrganization);
    const key = [...store.objects.keys()].find((each) =>
      each.endsWith(`${firstOrganization}/manifests/0000000002`),
    ) as string;
    await withObject(store, key, flipped(store.objects.get(key) as Buffer, 800), async () => {
      expect(await outcomeOf(() => vault.listManifests())).toBe("ObjectCorrupt");
      const damaged: string[] = [];
      const whole = await vault.listManifests({ onDamaged: (error) => damaged.push(error.code) });
      expect([whole.map((each) => each.sequence), damaged]).toEqual([[1, 3], ["ObjectCorrupt"]]);
    });
  });
});

describe("a newer version", () => {
  test("of a sealed object, a repository or a manifest's features is refused by that name", async () => {
    const { repository, store } = await makeSubject();
    const vault = await repository.openVault(firstOrganization);
    const { manifest } = await vault.readManifest(2);
    const key = [...store.objects.keys()].find((each) =>
      each.endsWith(`${firstOrganization}/manifests/0000000002`),
    ) as string;
    const newer = Buffer.from(store.objects.get(key) as Buffer);
    newer.write("WSB2");
    const cases = [
      newer,
      vault.sealManifest({ ...manifest, features: ["journal"] }).bytes,
      vault.sealManifest({ ...manifest, formatVersion: 2 as never }).bytes,
      vault.sealManifest({ ...manifest, formatVersion: 2 as never, novelty: true } as never).bytes,
    ];
    for (const bytes of cases) {
      await withObject(store, key, bytes, async () =>
        expect(await outcomeOf(() => vault.readManifest(2))).toBe("FormatUnsupported"),
      );
    }
    const { encodeRecord } = await import("../../../src/repository/records.ts");
    const record = JSON.parse(String(store.objects.get("repository")).split("\n")[0] ?? "");
    for (const change of [{ formatVersion: 2 }, { features: ["locks"] }, { format: "other" }, { novelty: 1 }]) {
      await withObject(store, "repository", encodeRecord({ ...record, ...change }), async () =>
        expect(await outcomeOf(() => openRepository(store, smallKey))).toBe("FormatUnsupported"),
      );
    }
  });
});
