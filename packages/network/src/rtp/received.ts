// One datagram as the kernel hands it over: the structures of `recvmsg`, written once and used for every packet.
import {
  CLOCK_REALTIME,
  type Libc,
  MSG_TRUNC,
  SO_TIMESTAMPNS,
  SOCKADDR_BYTES,
  SOL_SOCKET,
} from './libc.ts'

/** Longer ones are passed over: neither RTP nor RTCP believes them. */
const MAX_BYTES = 2048
const CONTROL_BYTES = 64
/** An age beyond it says that somebody has set the clock. */
const MAX_AGE_MS = 1000

/** Offsets in `struct msghdr`. */
const NAME = 0
const NAME_BYTES = 8
const VECTORS = 16
const VECTOR_COUNT = 24
const CONTROL = 32
const CONTROL_LENGTH = 40
const FLAGS = 48
const HEADER_BYTES = 56
/** Of a `struct cmsghdr`, and where its data is. */
const CONTROL_LEVEL = 8
const CONTROL_TYPE = 12
const CONTROL_DATA = 16
const VECTOR_BYTES = 16

export class Received {
  readonly #libc: Libc
  readonly #header: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(HEADER_BYTES))
  readonly #headerBytes: Uint8Array = new Uint8Array(this.#header.buffer)
  readonly #control: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(CONTROL_BYTES))
  readonly #data: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(MAX_BYTES))
  readonly #vector: BigUint64Array<ArrayBuffer> = new BigUint64Array(new ArrayBuffer(VECTOR_BYTES))
  readonly #now: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(16))
  readonly #nowBytes: Uint8Array = new Uint8Array(this.#now.buffer)
  /** Where the last one came from, as a `struct sockaddr`. */
  readonly from: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(SOCKADDR_BYTES))
  #nowMs = 0

  constructor(libc: Libc) {
    this.#libc = libc
    this.#vector[0] = libc.addressOf(this.#data)
    this.#vector[1] = BigInt(MAX_BYTES)
    const header = this.#header
    header.setBigUint64(NAME, libc.addressOf(this.from), true)
    header.setBigUint64(VECTORS, libc.addressOf(new Uint8Array(this.#vector.buffer)), true)
    header.setBigUint64(VECTOR_COUNT, 1n, true)
    header.setBigUint64(CONTROL, libc.addressOf(new Uint8Array(this.#control.buffer)), true)
  }

  /** Looks at the clock that the kernel stamps datagrams with; {@link Received.ageMs} counts to here. */
  lookAtClock(): void {
    this.#libc.clock_gettime(CLOCK_REALTIME, this.#nowBytes)
    this.#nowMs = timeMs(this.#now, 0)
  }

  /** The next datagram of a socket, in memory that the one after it will use; `long` for one that has no room in it. */
  next(fd: number): Uint8Array | 'long' | null {
    const header = this.#header
    header.setUint32(NAME_BYTES, SOCKADDR_BYTES, true)
    header.setUint32(CONTROL_LENGTH, CONTROL_BYTES, true)
    const size = this.#libc.recvmsg(fd, this.#headerBytes, 0)
    if (size < 0) return null
    if (header.getUint32(FLAGS, true) & MSG_TRUNC) return 'long'
    return this.#data.subarray(0, size)
  }

  /** How long the last one had been here when somebody looked at the clock, in milliseconds. */
  get ageMs(): number {
    const control = this.#control
    const stamped =
      this.#header.getUint32(CONTROL_LENGTH, true) > CONTROL_DATA &&
      control.getInt32(CONTROL_LEVEL, true) === SOL_SOCKET &&
      control.getInt32(CONTROL_TYPE, true) === SO_TIMESTAMPNS
    const ageMs = stamped ? this.#nowMs - timeMs(control, CONTROL_DATA) : 0
    return ageMs >= 0 && ageMs <= MAX_AGE_MS ? ageMs : 0
  }
}

/** A `struct timespec` in milliseconds. */
function timeMs(view: DataView, at: number): number {
  const seconds = view.getUint32(at, true) + view.getInt32(at + 4, true) * 2 ** 32
  return seconds * 1000 + view.getUint32(at + 8, true) / 1e6
}
