// The numbers of HTTP/2 (RFC 9113), spelled as the RFC spells them.

/** RFC 9113 section 3.4: what a client sends before its first frame. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** RFC 9113 section 4.1. */
export const FRAME_HEADER_BYTES = 9;

/** RFC 9113 section 6.5.2: the initial SETTINGS_MAX_FRAME_SIZE. Ours stays; Envoy sends no larger ones (facts 20.4). */
export const FRAME_PAYLOAD_BYTES_MAX = 16_384;

/** RFC 9113 section 6.9.1. */
export const WINDOW_BYTES_MAX = 0x7fff_ffff;

/** RFC 9113 section 6.9.2: every window before SETTINGS and WINDOW_UPDATE. */
export const WINDOW_BYTES_INITIAL = 65_535;

/** RFC 9113 section 5.1.1. */
export const STREAM_ID_MAX = 0x7fff_ffff;

/** RFC 9113 section 6. */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

/** RFC 9113 section 6: ACK and END_STREAM are the same bit of different frames. */
export const Flag = { ACK: 0x1, END_STREAM: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;

/** RFC 9113 section 6.5.2. */
export const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const;

/** RFC 9113 section 7. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];
