/** Where a camera's pictures come from. */
export interface PictureSource {
  /** For people: `HD Webcam at /dev/video0`. */
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /**
   * Waits for the next picture and draws it into `rgb` (`width * height * 3` bytes). Resolves with its monotonic time of
   * capture, ns; NaN for a picture that came damaged and was not drawn; undefined after {@link stop}.
   * @throws MyelinError CAMERA_UNAVAILABLE when the source is gone
   */
  next(rgb: Uint8Array): Promise<number | undefined>;
  /** Makes a waiting {@link next} resolve. */
  stop(): void;
  close(): void;
}
