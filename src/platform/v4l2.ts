import { constants } from 'node:fs';
import { MyelinError } from '../core/errors.ts';
import { monotonicNs } from './clock.ts';
import { Errno, errno, errnoName, ioctlAsync, libc, viewMemory } from './libc.ts';

/** Requests of the kernel's video interface on 64-bit machines; a test compares them with the C headers. */
export const VIDIOC = {
  QUERYCAP: 0x80685600,
  ENUM_FMT: 0xc0405602,
  S_FMT: 0xc0d05605,
  REQBUFS: 0xc0145608,
  QUERYBUF: 0xc0585609,
  QBUF: 0xc058560f,
  DQBUF: 0xc0585611,
  STREAMON: 0x40045612,
  STREAMOFF: 0x40045613,
  S_PARM: 0xc0cc5616,
} as const;

/** Sizes of the structures, bytes; a test compares them with the C headers. */
export const V4L2_STRUCT_BYTES = {
  v4l2_capability: 104,
  v4l2_fmtdesc: 64,
  v4l2_format: 208,
  v4l2_requestbuffers: 20,
  v4l2_buffer: 88,
  v4l2_streamparm: 204,
} as const;

const CAPTURE = 1;
const MEMORY_MMAP = 1;
const FIELD_NONE = 1;
const CAP_VIDEO_CAPTURE = 0x1;
const CAP_STREAMING = 0x04000000;
const CAP_DEVICE_CAPS = 0x80000000;
const FLAG_ERROR = 0x40;
const FLAG_MONOTONIC = 0x2000;
const BUFFERS = 4;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 2n ** 64n - 1n;

const fourcc = (text: string): number => Buffer.from(text, 'latin1').readUInt32LE(0);
const fourccText = (code: number): string => Buffer.from(Uint32Array.of(code).buffer).toString('latin1');

/** Pixel formats that can be turned into RGB here. */
export const PIXEL_FORMATS = ['RGB3', 'YUYV', 'MJPG'] as const;
export type PixelFormat = (typeof PIXEL_FORMATS)[number];

/**
 * The order in which formats are tried for a picture of this size. Uncompressed ones cost nothing to decode, but
 * over USB 2 they are slow above 640x480, where a camera gives its full rate as MJPEG only.
 */
const preference = ({ width, height }: VideoRequest): readonly PixelFormat[] =>
  width * height > 640 * 480 ? ['MJPG', 'RGB3', 'YUYV'] : PIXEL_FORMATS;

/** One picture in a driver's buffer; valid until {@link VideoDevice.release}. */
export interface VideoBuffer {
  readonly index: number;
  readonly bytes: Uint8Array;
  /** Monotonic time of capture, ns. */
  readonly capturedNs: number;
  /** Whether the driver says the picture is damaged. */
  readonly damaged: boolean;
}

export interface VideoRequest {
  readonly width: number;
  readonly height: number;
  readonly frequencyHz: number;
}

/** A camera behind the kernel's Video4Linux interface, streaming into memory that is mapped here. */
export class VideoDevice implements Disposable {
  readonly path: string;
  readonly card: string;
  /** What the driver agreed to, which may differ from what was asked for. */
  readonly width: number;
  readonly height: number;
  readonly format: PixelFormat;
  /** Distance between rows, bytes; 0 for a compressed format. */
  readonly stride: number;
  readonly #buffers: { address: bigint; bytes: Uint8Array }[] = [];
  readonly #request = new Uint8Array(V4L2_STRUCT_BYTES.v4l2_buffer);
  #fd: number;

  /** @throws MyelinError CAMERA_UNAVAILABLE with what to do about it */
  constructor(path: string, wanted: VideoRequest) {
    this.path = path;
    // Not O_NONBLOCK: waiting for the next picture is done on a thread of its own.
    this.#fd = libc().open(path, constants.O_RDWR | 0x80000, 0);
    if (this.#fd < 0) {
      const code = errno();
      throw this.#unavailable(
        code,
        code === Errno.EACCES
          ? 'Add this user to the group that owns it: sudo usermod -aG video $USER, then log in again.'
          : 'See which there are: ls /dev/video*',
      );
    }
    try {
      this.card = this.#queryCard();
      this.format = this.#chooseFormat(wanted);
      const { width, height, stride } = this.#setFormat(wanted);
      this.width = width;
      this.height = height;
      this.stride = stride;
      this.#setRate(wanted.frequencyHz);
      this.#startStream();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Waits for the next picture. Undefined after {@link stop}.
   * @throws MyelinError CAMERA_UNAVAILABLE when the camera is gone
   */
  async next(): Promise<VideoBuffer | undefined> {
    const request = new DataView(this.#request.buffer);
    this.#request.fill(0);
    request.setUint32(4, CAPTURE, true);
    request.setUint32(60, MEMORY_MMAP, true);
    let result = -Errno.EINTR;
    while (result === -Errno.EINTR) result = await ioctlAsync(this.#fd, VIDIOC.DQBUF, this.#request);
    if (result === -Errno.EINVAL || this.#fd < 0) return undefined;
    if (result < 0) throw this.#unavailable(-result, 'Is it still plugged in?');

    const index = request.getUint32(0, true);
    const flags = request.getUint32(12, true);
    const stampNs = request.getInt32(24, true) * 1e9 + request.getInt32(32, true) * 1e3;
    return {
      index,
      bytes: this.#buffers[index]!.bytes.subarray(0, request.getUint32(8, true)),
      capturedNs: (flags & FLAG_MONOTONIC) !== 0 ? stampNs : monotonicNs(),
      damaged: (flags & FLAG_ERROR) !== 0,
    };
  }

  /** Gives a picture's buffer back to the driver. */
  release({ index }: VideoBuffer): void {
    this.#queue(index);
  }

  /** Ends the stream; a {@link next} that waits resolves with undefined. */
  stop(): void {
    if (this.#fd >= 0) libc().ioctl(this.#fd, VIDIOC.STREAMOFF, Int32Array.of(CAPTURE));
  }

  /** Stops and lets go of the camera. No {@link next} may be waiting. Can be called twice. */
  close(): void {
    if (this.#fd < 0) return;
    this.stop();
    for (const { address, bytes } of this.#buffers.splice(0)) libc().munmap(address, bytes.length);
    libc().close(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #unavailable(code: number, advice: string): MyelinError {
    return this.#refuse(errnoName(code), advice);
  }

  #refuse(reason: string, advice: string): MyelinError {
    return new MyelinError('CAMERA_UNAVAILABLE', { camera: this.path, reason, advice });
  }

  #call(request: number, bytes: Uint8Array, what: string): void {
    if (libc().ioctl(this.#fd, request, bytes) === 0) return;
    const code = errno();
    const advice =
      code === Errno.EBUSY ? `Another program uses it: fuser ${this.path}` : `The driver refused ${what}.`;
    throw this.#unavailable(code, advice);
  }

  #queryCard(): string {
    const bytes = new Uint8Array(V4L2_STRUCT_BYTES.v4l2_capability);
    const fields = new DataView(bytes.buffer);
    const answered = libc().ioctl(this.#fd, VIDIOC.QUERYCAP, bytes) === 0;
    const all = fields.getUint32(84, true);
    const capabilities = (all & CAP_DEVICE_CAPS) !== 0 ? fields.getUint32(88, true) : all;
    if (!answered || (capabilities & CAP_VIDEO_CAPTURE) === 0 || (capabilities & CAP_STREAMING) === 0) {
      throw this.#refuse('it is no camera', 'A camera often has several /dev/video*; try the others.');
    }
    const card = Buffer.from(bytes.buffer, 16, 32).toString('utf8');
    return card.slice(0, card.indexOf('\0'));
  }

  #chooseFormat(wanted: VideoRequest): PixelFormat {
    const bytes = new Uint8Array(V4L2_STRUCT_BYTES.v4l2_fmtdesc);
    const fields = new DataView(bytes.buffer);
    const offered: string[] = [];
    for (let index = 0; index < 64; index++) {
      bytes.fill(0);
      fields.setUint32(0, index, true);
      fields.setUint32(4, CAPTURE, true);
      if (libc().ioctl(this.#fd, VIDIOC.ENUM_FMT, bytes) !== 0) break;
      offered.push(fourccText(fields.getUint32(44, true)));
    }
    const format = preference(wanted).find((candidate) => offered.includes(candidate));
    if (format !== undefined) return format;
    throw this.#refuse(
      `it offers ${offered.join(', ') || 'no format'} and not ${PIXEL_FORMATS.join(' or ')}`,
      'Use a camera, or a mode of it, that gives one of these.',
    );
  }

  #setFormat({ width, height }: VideoRequest): { width: number; height: number; stride: number } {
    const bytes = new Uint8Array(V4L2_STRUCT_BYTES.v4l2_format);
    const fields = new DataView(bytes.buffer);
    fields.setUint32(0, CAPTURE, true);
    fields.setUint32(8, width, true);
    fields.setUint32(12, height, true);
    fields.setUint32(16, fourcc(this.format), true);
    fields.setUint32(20, FIELD_NONE, true);
    this.#call(VIDIOC.S_FMT, bytes, `${width}x${height}`);
    if (fields.getUint32(16, true) !== fourcc(this.format)) {
      throw this.#refuse(
        `it changed ${this.format} to ${fourccText(fields.getUint32(16, true))}`,
        'Try another picture size.',
      );
    }
    const agreed = fields.getUint32(8, true);
    const packed = { RGB3: 3 * agreed, YUYV: 2 * agreed, MJPG: 0 }[this.format];
    return {
      width: agreed,
      height: fields.getUint32(12, true),
      stride: packed === 0 ? 0 : Math.max(fields.getUint32(24, true), packed),
    };
  }

  /** A driver that cannot set its rate keeps the one it has: no reason to do without the camera. */
  #setRate(frequencyHz: number): void {
    const bytes = new Uint8Array(V4L2_STRUCT_BYTES.v4l2_streamparm);
    const fields = new DataView(bytes.buffer);
    fields.setUint32(0, CAPTURE, true);
    fields.setUint32(12, 1000, true);
    fields.setUint32(16, Math.round(1000 * frequencyHz), true);
    libc().ioctl(this.#fd, VIDIOC.S_PARM, bytes);
  }

  #startStream(): void {
    const bytes = new Uint8Array(V4L2_STRUCT_BYTES.v4l2_requestbuffers);
    const fields = new DataView(bytes.buffer);
    fields.setUint32(0, BUFFERS, true);
    fields.setUint32(4, CAPTURE, true);
    fields.setUint32(8, MEMORY_MMAP, true);
    this.#call(VIDIOC.REQBUFS, bytes, 'its buffers');
    const count = fields.getUint32(0, true);
    for (let index = 0; index < count; index++) {
      this.#map(index);
      this.#queue(index);
    }
    this.#call(VIDIOC.STREAMON, new Uint8Array(Int32Array.of(CAPTURE).buffer), 'to start');
  }

  #map(index: number): void {
    const bytes = new Uint8Array(V4L2_STRUCT_BYTES.v4l2_buffer);
    const fields = new DataView(bytes.buffer);
    fields.setUint32(0, index, true);
    fields.setUint32(4, CAPTURE, true);
    fields.setUint32(60, MEMORY_MMAP, true);
    this.#call(VIDIOC.QUERYBUF, bytes, 'its buffers');
    const length = fields.getUint32(72, true);
    const offset = fields.getUint32(64, true);
    const address = libc().mmap(null, length, PROT_READ_WRITE, MAP_SHARED, this.#fd, offset);
    if (address === MAP_FAILED) throw this.#unavailable(errno(), 'The driver refused its buffers.');
    this.#buffers.push({ address, bytes: new Uint8Array(viewMemory(address, length)) });
  }

  #queue(index: number): void {
    const bytes = new Uint8Array(V4L2_STRUCT_BYTES.v4l2_buffer);
    const fields = new DataView(bytes.buffer);
    fields.setUint32(0, index, true);
    fields.setUint32(4, CAPTURE, true);
    fields.setUint32(60, MEMORY_MMAP, true);
    this.#call(VIDIOC.QBUF, bytes, 'a buffer');
  }
}
