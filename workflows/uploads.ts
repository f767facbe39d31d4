// Which packs a run may have put into the store. A name is noted before its upload begins: also an upload whose answer got
// lost, or that was cut off by a cancel, can be found and removed.
import type { StoredPack } from "../activities/contract.ts";

export interface UploadedPacks {
  readonly offered: readonly string[];
  readonly confirmed: readonly StoredPack[];
}

export class Uploads {
  private readonly offered = new Set<string>();
  private readonly stored = new Map<string, StoredPack>();

  offer(packName: string): void {
    this.offered.add(packName);
  }

  confirm(pack: StoredPack): void {
    this.stored.set(pack.packName, pack);
  }

  /** Certainly there: what they hold is not stored again. */
  get confirmed(): readonly StoredPack[] {
    return [...this.stored.values()];
  }

  /** Perhaps there. */
  get names(): readonly string[] {
    return [...this.offered];
  }

  listed(): UploadedPacks {
    return { offered: this.names, confirmed: this.confirmed };
  }

  addAll({ offered, confirmed }: UploadedPacks): void {
    for (const name of offered) this.offer(name);
    for (const pack of confirmed) this.confirm(pack);
  }
}
