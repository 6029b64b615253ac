// As much of a WebSocket server as the sample server needs: text both ways, no fragments, no extensions. For work on
// the pages on this machine only.
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455, 1.3

export interface Peer {
  send(text: string): void;
  onText: (text: string) => void;
  onClose: () => void;
}

/** Answers the handshake, and hands over who asked. */
export function accept(request: IncomingMessage, stream: Duplex): Peer {
  const key = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${MAGIC}`).digest("base64");
  stream.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`,
  );
  const peer: Peer = {
    send: (text) => stream.writable && stream.write(framed(Buffer.from(text))),
    onText: () => undefined,
    onClose: () => undefined,
  };
  let buffer = Buffer.alloc(0);
  stream.on("data", (data: Buffer) => {
    buffer = Buffer.concat([buffer, data]);
    for (let frame = unframed(buffer); frame !== null; frame = unframed(buffer)) {
      buffer = buffer.subarray(frame.length);
      if (frame.opcode === 1) peer.onText(frame.data.toString());
      if (frame.opcode === 8) stream.end();
    }
  });
  stream.on("error", () => stream.destroy());
  stream.on("close", () => peer.onClose());
  return peer;
}

/** A text frame from a server: whole, not masked (RFC 6455, 5.2). */
function framed(data: Buffer): Buffer {
  const size = data.length;
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10);
  head[0] = 0x81;
  if (size < 126) head[1] = size;
  else if (size < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(size, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(size), 2);
  }
  return Buffer.concat([head, data]);
}

/** The first frame of a client in `buffer`; null: it is not all there. */
function unframed(buffer: Buffer): { opcode: number; data: Buffer; length: number } | null {
  if (buffer.length < 6) return null;
  const short = (buffer[1] ?? 0) & 0x7f;
  if (short === 127) throw new Error("no page sends this much");
  if (short === 126 && buffer.length < 8) return null;
  const start = short === 126 ? 8 : 6;
  const size = short === 126 ? buffer.readUInt16BE(2) : short;
  if (buffer.length < start + size) return null;
  const mask = buffer.subarray(start - 4, start);
  const data = Buffer.from(buffer.subarray(start, start + size)).map((byte, at) => byte ^ (mask[at % 4] ?? 0));
  return { opcode: (buffer[0] ?? 0) & 0x0f, data: Buffer.from(data), length: start + size };
}
