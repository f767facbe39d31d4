// What is opened when it is first asked for, once, and closed at the end: the last first, because it may need those before.

export class Resources {
  private readonly opened = new Map<string, Promise<unknown>>();
  private readonly closers: (() => Promise<void>)[] = [];

  async once<T>(name: string, open: () => Promise<T>): Promise<T> {
    const already = this.opened.get(name) as Promise<T> | undefined;
    const opening = already ?? open();
    this.opened.set(name, opening);
    return await opening;
  }

  async keep<T extends { close(): Promise<void> }>(name: string, open: () => Promise<T>): Promise<T> {
    return await this.once(name, async () => {
      const resource = await open();
      this.closeLater(() => resource.close());
      return resource;
    });
  }

  /** For whoever asks for it by this name from now on. */
  put(name: string, resource: unknown): void {
    this.opened.set(name, Promise.resolve(resource));
  }

  closeLater(close: () => Promise<void>): void {
    this.closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.closers.splice(0).reverse()) await close();
  }
}
