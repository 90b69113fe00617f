/** One classic CAN frame: 11-bit id, up to 8 bytes. Reused by callers, so copy what you keep. */
export interface CanFrame {
  id: number;
  length: number;
  readonly data: Uint8Array;
}

export interface CanBusStats {
  sent: number;
  received: number;
  /** Frames not sent because the transmit queue was full. */
  dropped: number;
  /** Error frames or malformed records seen. */
  errors: number;
  /** True after the controller reported bus-off, until it recovers. */
  busOff: boolean;
}

/**
 * A CAN bus. Every call returns at once and allocates nothing, so a 500 Hz loop can use it.
 * A node never receives the frames it sent itself.
 */
export interface CanBus {
  /** For people: `can0`, `slcan:/dev/ttyACM0`, `world:default`. */
  readonly name: string;
  readonly stats: Readonly<CanBusStats>;
  /** Queues one frame. False when the queue is full or the bus is gone: the frame was not sent. */
  send(id: number, data: Uint8Array, length: number): boolean;
  /** Moves the oldest received frame into `frame`. False when none waits. */
  receive(frame: CanFrame): boolean;
  close(): void;
}

export const createCanFrame = (): CanFrame => ({ id: 0, length: 0, data: new Uint8Array(8) });
