// Where the app keeps the files that its rows name (photos, contracts). Read-only.

export interface MediaFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** ISO 8601 UTC. */
  readonly modifiedAt: string;
  /** The store's own version (ETag), or for a folder inode and change time. Equal tag, size and time = same content. */
  readonly versionTag: string;
}

export interface MediaSource {
  readonly description: string;
  /** Null when there is no such file. Paths that leave the source's root are treated as missing. */
  stat(path: string): Promise<MediaFile | null>;
  /**
   * Bytes of one part. `allocate`: where a source needs memory for them, it takes it from there.
   * @throws MediaUnreachable, also when the file is gone or shorter; MediaAccessDenied.
   */
  read(
    path: string,
    range: { readonly offset: number; readonly length: number; readonly allocate?: (bytes: number) => Buffer },
  ): Promise<Buffer>;
  close(): Promise<void>;
}
